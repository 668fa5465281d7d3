package org.mezzotint.eval;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Stream;
import org.bytedeco.javacpp.Pointer;
import org.bytedeco.pytorch.Tensor;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.mezzotint.data.PictureFiles.Picture;
import org.mezzotint.data.PictureSet;
import org.mezzotint.io.InputException;
import org.mezzotint.tensor.Scope;
import org.mezzotint.tensor.Tensors;

class ExtractionTest {
    private static final int N = 1200; // three parts

    @TempDir
    private Path cache;

    /** Picture i has the one level i mod 256, and i / 256 as its green. */
    private record Levels(int size, String fingerprint) implements PictureSet {
        @Override
        public Picture read(int index) {
            return new Picture(1, 1, new byte[] {(byte) index, (byte) (index / 256), 0});
        }

        @Override
        public void close() {}
    }

    /** The levels themselves; stops after so many pictures, as a killed process would. */
    private static final class LevelExtractor implements FeatureExtractor {
        private final String id;
        private final int dies;
        final List<Integer> batches = new ArrayList<>();

        LevelExtractor(String id, int dies) {
            this.id = id;
            this.dies = dies;
        }

        @Override
        public String id() {
            return id;
        }

        @Override
        public String preprocessing() {
            return "none";
        }

        @Override
        public Map<String, Integer> dims() {
            return Map.of(FEATURES, 2, LOGITS, 1);
        }

        @Override
        public Map<String, Tensor> extract(List<Picture> pictures, Set<String> wanted) {
            int seen = batches.stream().mapToInt(Integer::intValue).sum();
            if (seen + pictures.size() > dies) {
                throw new IllegalStateException("killed");
            }
            batches.add(pictures.size());
            float[] features = new float[2 * pictures.size()];
            float[] logits = new float[pictures.size()];
            for (int i = 0; i < pictures.size(); i++) {
                features[2 * i] = pictures.get(i).rgb()[0] & 0xFF;
                features[2 * i + 1] = pictures.get(i).rgb()[1];
                logits[i] = features[2 * i] + 256 * features[2 * i + 1];
            }
            Map<String, Tensor> all = new LinkedHashMap<>();
            all.put(FEATURES, Tensors.of(features, pictures.size(), 2));
            all.put(LOGITS, Tensors.of(logits, pictures.size(), 1));
            all.keySet().retainAll(wanted);
            return all;
        }

        @Override
        public void close() {}
    }

    private static final Set<String> BOTH = Set.of("features", "logits");

    private Extraction run(LevelExtractor extractor, boolean cached) {
        return Extraction.run(
                new Levels(N, "a"), extractor, BOTH, 100, cached ? Optional.of(cache) : Optional.empty(), done -> {});
    }

    private static void holdsAll(FeatureSet features) {
        try (Scope scope = Scope.open()) {
            float[] logits = Tensors.floats(features.all("logits"));
            assertThat(logits).hasSize(N);
            for (int i = 0; i < N; i++) {
                assertThat(logits[i]).isEqualTo(i);
            }
            assertThat(features.all("features").shape()).containsExactly(N, 2);
        }
    }

    @Test
    void memoryAndCacheHoldTheSameInTheOrderOfPictures() {
        try (Extraction memory = run(new LevelExtractor("x", N), false);
                Extraction disk = run(new LevelExtractor("x", N), true);
                Scope scope = Scope.open()) {
            holdsAll(memory);
            holdsAll(disk);
            assertThat(memory.size()).isEqualTo(N);
            assertThat(disk.dims()).containsExactly(Map.entry("features", 2), Map.entry("logits", 1));
            assertThat(Tensors.doubles(memory.moments("features").covariance()))
                    .isEqualTo(Tensors.doubles(disk.moments("features").covariance()));
        }
    }

    @Test
    void killedWorkGoesOnWhereItStoppedAndGivesTheSame() throws IOException {
        assertThatThrownBy(() -> run(new LevelExtractor("x", 700), true)).hasMessage("killed");
        Path leftover = Files.createFile(cacheFolder().resolve(".features-00001.safetensors.1234.tmp"));
        LevelExtractor second = new LevelExtractor("x", N);
        try (Extraction resumed = run(second, true)) {
            holdsAll(resumed);
        }
        assertThat(second.batches.stream().mapToInt(Integer::intValue).sum())
                .as("one whole part of 512 was kept")
                .isEqualTo(N - 512);
        assertThat(second.batches).startsWith(100, 100, 100, 100, 100, 12);
        assertThat(leftover).doesNotExist();
        LevelExtractor third = new LevelExtractor("x", 0);
        try (Extraction again = run(third, true)) {
            holdsAll(again);
        }
        assertThat(third.batches).isEmpty();
    }

    private Path cacheFolder() throws IOException {
        try (Stream<Path> folders = Files.list(cache)) {
            return folders.findFirst().orElseThrow();
        }
    }

    @Test
    void anotherExtractorOtherPicturesOrOutputsDoNotMeetInTheCache() throws IOException {
        run(new LevelExtractor("x", N), true).close();
        LevelExtractor other = new LevelExtractor("y", N);
        run(other, true).close();
        assertThat(other.batches).isNotEmpty();
        LevelExtractor elsewhere = new LevelExtractor("x", N);
        Extraction.run(new Levels(N, "b"), elsewhere, BOTH, 100, Optional.of(cache), done -> {})
                .close();
        assertThat(elsewhere.batches).isNotEmpty();
        LevelExtractor fewer = new LevelExtractor("x", N);
        Extraction.run(new Levels(N, "a"), fewer, Set.of("logits"), 600, Optional.of(cache), done -> {})
                .close();
        assertThat(fewer.batches).containsExactly(512, 512, 176);
        try (Stream<Path> folders = Files.list(cache)) {
            assertThat(folders).hasSize(4);
        }
    }

    @Test
    void damagedPartIsRefusedByName() throws IOException {
        run(new LevelExtractor("x", N), true).close();
        Path part = cacheFolder().resolve("features-00001.safetensors");
        Path other = cacheFolder().resolve("features-00002.safetensors");
        Files.copy(other, part, StandardCopyOption.REPLACE_EXISTING);
        assertThatThrownBy(() -> run(new LevelExtractor("x", N), true))
                .isInstanceOf(InputException.class)
                .hasMessage(part + " holds other features: remove it");
        Files.write(part, new byte[] {1, 2, 3});
        assertThatThrownBy(() -> run(new LevelExtractor("x", N), true))
                .isInstanceOf(InputException.class)
                .hasMessageContaining("features-00001.safetensors");
    }

    @Test
    void progressEndsAtTheNumberOfPictures() {
        List<Integer> heard = new ArrayList<>();
        Extraction.run(new Levels(N, "a"), new LevelExtractor("x", N), BOTH, 100, Optional.empty(), heard::add)
                .close();
        assertThat(heard).isSorted().endsWith(N).startsWith(100, 200);
    }

    @Test
    void refusesOutputsThatTheExtractorLacks() {
        assertThatThrownBy(() -> Extraction.run(
                        new Levels(1, "a"),
                        new LevelExtractor("x", 1),
                        Set.of("spatial"),
                        1,
                        Optional.empty(),
                        d -> {}))
                .isInstanceOf(InputException.class)
                .hasMessageStartingWith("the extractor x has no output 'spatial', only ");
        try (Extraction made = run(new LevelExtractor("x", N), false)) {
            assertThatThrownBy(() -> made.all("pool"))
                    .isInstanceOf(InputException.class)
                    .hasMessage("the features of x have no 'pool', only features, logits");
        }
    }

    @Test
    void closingFreesTheVectors() {
        run(new LevelExtractor("x", N), false).close();
        long before = Pointer.totalCount();
        for (int i = 0; i < 5; i++) {
            Extraction extraction = run(new LevelExtractor("x", N), false);
            holdsAll(extraction);
            extraction.close();
            extraction.close();
        }
        assertThat(Pointer.totalCount()).isEqualTo(before);
    }
}
