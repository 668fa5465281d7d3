package org.mezzotint.data;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.mezzotint.io.InputException;

class ShardPatternTest {
    private static List<String> expand(String pattern) {
        return ShardPattern.expand(Path.of(pattern)).stream()
                .map(Path::toString)
                .toList();
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "a.tar | a.tar",
                "t-{08..11}.tar | t-08.tar t-09.tar t-10.tar t-11.tar",
                "t-{8..10}.tar | t-8.tar t-9.tar t-10.tar",
                "t-{0..010}.tar | t-000.tar t-001.tar t-002.tar t-003.tar t-004.tar t-005.tar t-006.tar t-007.tar t-008.tar"
                        + " t-009.tar t-010.tar",
                "t-{5..5}.tar | t-5.tar",
                "{train,val}-{0..1}.tar | train-0.tar train-1.tar val-0.tar val-1.tar",
                "t{00..01,07,10..11}.tar | t00.tar t01.tar t07.tar t10.tar t11.tar",
                "{a{0..1},b}.tar | a0.tar a1.tar b.tar",
                "{a,}x.tar | ax.tar x.tar"
            })
    void bracesAreWrittenOutAsInBash(String pattern, String paths) {
        assertThat(expand(pattern)).containsExactly(paths.split(" ", -1));
    }

    @Test
    void imageNetsShardsAreAHundredAndFortySeven() {
        assertThat(expand("train-{000000..000146}.tar"))
                .hasSize(147)
                .startsWith("train-000000.tar")
                .endsWith("train-000146.tar");
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "t-{3..1}.tar | a range must rise, got {3..1}",
                "t-{a..c}.tar | braces must hold a range such as 000..146 or names with commas between, got {a..c}",
                "t-{abc}.tar | braces must hold a range such as 000..146 or names with commas between, got {abc}",
                "t-{}.tar | braces must hold",
                "t-{0..1.tar | a { must be closed, got t-{0..1.tar",
                "t}-{0..1}.tar | a } must follow a {",
                "{0..1}}.tar | a } must follow a {",
                "{0..999999999}.tar | at most 100000 files, got 1000000000 or more",
                "{0..999}-{0..999}.tar | at most 100000 files, got 1000000 or more"
            })
    void bracesThatSayNothingAreRefused(String pattern, String message) {
        assertThatExceptionOfType(InputException.class)
                .isThrownBy(() -> expand(pattern))
                .satisfies(e ->
                        assertThat(e.getMessage()).startsWith(pattern + ": ").contains(message));
    }
}
