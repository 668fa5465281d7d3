package org.mezzotint.fuzz;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/**
 * Readers get damaged files: they read them or refuse them with one line, and take no more memory than they may. Without
 * options this is a short run that is always the same. {@code mvn -B test -pl core -Dtest=FuzzTest -Dfuzz.minutes=10} gives
 * each reader ten minutes of new files.
 */
@Timeout(value = 3, unit = TimeUnit.HOURS, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
class FuzzTest {
    private static final int CASES = 700;

    @TempDir
    Path folder;

    @ParameterizedTest
    @EnumSource
    void readsOrRefusesWhateverItGets(Reader reader) throws IOException {
        List<byte[]> seeds = reader.seeds();
        assertThat(seeds).isNotEmpty();
        int read = 0;
        for (byte[] seed : seeds) {
            read += reader.accepts(folder, seed) ? 1 : 0;
        }
        assertThat(read).as("good seeds").isPositive();
        int minutes = Integer.getInteger("fuzz.minutes", 0);
        long end = System.nanoTime() + TimeUnit.MINUTES.toNanos(minutes);
        Mutator mutator = new Mutator(minutes == 0 ? 7 : System.nanoTime(), seeds);
        int refused = 0;
        int cases = 0;
        while (minutes == 0 ? cases < CASES : System.nanoTime() < end) {
            refused += reader.accepts(folder, mutator.next()) ? 0 : 1;
            cases++;
        }
        assertThat(refused).as("refused of " + cases).isBetween(1, cases);
    }
}
