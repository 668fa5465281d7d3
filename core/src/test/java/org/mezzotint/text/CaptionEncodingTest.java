package org.mezzotint.text;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.bytedeco.javacpp.Pointer;
import org.bytedeco.pytorch.Tensor;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.mezzotint.golden.Golden;
import org.mezzotint.io.InputException;
import org.mezzotint.io.Safetensors;
import org.mezzotint.tensor.Devices;
import org.mezzotint.tensor.Precision;
import org.mezzotint.tensor.Scope;
import org.mezzotint.tensor.Tensors;

class CaptionEncodingTest {
    private static final List<List<String>> CAPTIONS = List.of(
            List.of("a photo of a red fox"),
            List.of("the moon", "snow in the street", "x"),
            List.of("a horse"),
            List.of(""),
            List.of("a photo of a flower in the rain and all the snow on the old man", "the sun"));

    private static T5Encoder encoder;
    private static String identity;
    private static T5Tokenizer tokenizer;

    @TempDir
    private Path temp;

    @BeforeAll
    static void open() {
        encoder = T5Encoder.open(T5EncoderGoldenTest.TINY, Precision.FLOAT32, Devices.cpu(), T5Encoder.Holding.LOADED);
        identity = encoder.identity();
        tokenizer = T5Tokenizer.open(Golden.path("text/t5-tokenizer/tokenizer.json"));
    }

    @AfterAll
    static void close() {
        encoder.close();
    }

    private static CaptionSet.Plan plan(CaptionSet.Type type, int maxTokens, int shard) {
        return new CaptionSet.Plan(
                CaptionSet.VERSION,
                identity,
                tokenizer.identity(),
                encoder.precision(),
                type,
                32,
                maxTokens,
                CAPTIONS.size(),
                shard,
                "0".repeat(64));
    }

    /** What was told, in order. */
    private static final class Told implements CaptionEncoding.Listener {
        private final List<Long> pictures = new ArrayList<>();
        private final List<String> cut = new ArrayList<>();
        private long tokens;

        @Override
        public void done(long pictures, long tokens) {
            this.pictures.add(pictures);
            this.tokens = tokens;
        }

        @Override
        public void cut(int picture, String lost) {
            cut.add(picture + " " + lost);
        }
    }

    private static Optional<CaptionSet> run(Path folder, CaptionSet.Plan plan, Told told, int shards) {
        int[] left = {shards};
        return CaptionEncoding.run(folder, plan, CAPTIONS::get, tokenizer, encoder, 24, told, () -> left[0]-- == 0);
    }

    @Test
    void everyCaptionIsEncodedAsItIsAlone() {
        Path folder = temp.resolve("out");
        Told told = new Told();
        CaptionSet set =
                run(folder, plan(CaptionSet.Type.FLOAT32, 64, 2), told, 9).orElseThrow();
        assertThat(set.captions()).isEqualTo(8);
        assertThat(told.tokens).isEqualTo(set.tokens());
        assertThat(told.pictures).endsWith(5L).isSorted();
        assertThat(told.cut).isEmpty();
        assertThat(set.cut()).isZero();
        assertThat(CaptionSet.read(folder)).isEqualTo(set);
        long sum = 0;
        try (CaptionEmbeddings read = CaptionEmbeddings.open(folder);
                Scope scope = Scope.open()) {
            assertThat(read.set()).isEqualTo(set);
            for (int p = 0; p < CAPTIONS.size(); p++) {
                assertThat(read.captions(p)).isEqualTo(CAPTIONS.get(p).size());
                for (int c = 0; c < read.captions(p); c++) {
                    int[] ids = tokenizer.encode(CAPTIONS.get(p).get(c));
                    CaptionEmbeddings.Embedding one = read.read(p, c);
                    assertThat(one.tokens()).isEqualTo(ids.length);
                    assertThat(one.width()).isEqualTo(32);
                    Golden.assertClose("caption", doubles(one), Tensors.doubles(encoder.encode(List.of(ids))), 1e-5);
                    sum += ids.length;
                }
            }
            assertThat(sum).isEqualTo(set.tokens());
            assertThat(read.empty().values()).isEqualTo(read.read(3, 0).values());
            assertThat(read.empty().tokens()).isEqualTo(1);
            read.requireSource("0".repeat(64));
            assertThatThrownBy(() -> read.requireSource("1".repeat(64)))
                    .isInstanceOf(InputException.class)
                    .hasMessageContaining("belong to other pictures or captions");
            assertThatExceptionOfType(IndexOutOfBoundsException.class).isThrownBy(() -> read.read(0, 1));
            assertThatExceptionOfType(IndexOutOfBoundsException.class).isThrownBy(() -> read.captions(5));
        }
    }

    private static double[] doubles(CaptionEmbeddings.Embedding embedding) {
        double[] doubles = new double[embedding.values().length];
        for (int i = 0; i < doubles.length; i++) {
            doubles[i] = embedding.values()[i];
        }
        return doubles;
    }

    @Test
    void anInterruptedRunGoesOnToTheSameBytes() throws IOException {
        CaptionSet.Plan plan = plan(CaptionSet.Type.BFLOAT16, 64, 2);
        Path whole = temp.resolve("whole");
        Path parts = temp.resolve("parts");
        run(whole, plan, new Told(), 9);
        assertThat(run(parts, plan, new Told(), 1)).isEmpty();
        assertThatThrownBy(() -> CaptionEmbeddings.open(parts))
                .hasMessage("the captions in " + parts + " are not finished: run encode-text again to go on");
        assertThat(run(parts, plan, new Told(), 1)).isEmpty();
        assertThat(run(parts, plan, new Told(), 9)).isPresent();
        try (var files = Files.list(whole)) {
            for (Path file : files.sorted().toList()) {
                assertThat(parts.resolve(file.getFileName())).hasSameBinaryContentAs(file);
            }
        }
        assertThat(parts.resolve("encoding.json")).doesNotExist();
        assertThat(whole.resolve("000002.safetensors")).exists();
        assertThatThrownBy(() -> run(whole, plan, new Told(), 9))
                .isInstanceOf(InputException.class)
                .hasMessage(whole + " already holds encoded captions: choose another folder");
    }

    @Test
    void anotherPlanCannotGoOn() {
        Path folder = temp.resolve("out");
        run(folder, plan(CaptionSet.Type.FLOAT32, 64, 2), new Told(), 1);
        assertThatThrownBy(() -> run(folder, plan(CaptionSet.Type.FLOAT32, 63, 2), new Told(), 1))
                .isInstanceOf(InputException.class)
                .hasMessageContaining("were begun otherwise")
                .hasMessageContaining("maxTokens=64")
                .hasMessageContaining("maxTokens=63");
    }

    @Test
    void captionsThatAreTooLongAreCutAndTold() {
        Path folder = temp.resolve("out");
        Told told = new Told();
        CaptionSet set =
                run(folder, plan(CaptionSet.Type.FLOAT32, 12, 2), told, 9).orElseThrow();
        assertThat(told.cut).hasSize((int) set.cut()).isNotEmpty().anyMatch(text -> text.startsWith("4 "));
        assertThat(told.cut).noneMatch(text -> text.startsWith("2 "));
        try (CaptionEmbeddings read = CaptionEmbeddings.open(folder);
                Scope scope = Scope.open()) {
            int[] ids = tokenizer.encode(CAPTIONS.get(4).get(0), 12).ids();
            CaptionEmbeddings.Embedding one = read.read(4, 0);
            assertThat(one.tokens()).isEqualTo(12);
            Golden.assertClose("cut", doubles(one), Tensors.doubles(encoder.encode(List.of(ids))), 1e-5);
        }
    }

    @Test
    void storedNumbersAreRoundedToTheirType() {
        run(temp.resolve("wide"), plan(CaptionSet.Type.FLOAT32, 64, 5), new Told(), 9);
        run(temp.resolve("narrow"), plan(CaptionSet.Type.BFLOAT16, 64, 5), new Told(), 9);
        try (CaptionEmbeddings wide = CaptionEmbeddings.open(temp.resolve("wide"));
                CaptionEmbeddings narrow = CaptionEmbeddings.open(temp.resolve("narrow"))) {
            double[] expected = doubles(wide.read(0, 0));
            Golden.assertCloseToLargest("bfloat16", doubles(narrow.read(0, 0)), expected, 0.01);
            assertThat(narrow.read(0, 0).values()).isNotEqualTo(wide.read(0, 0).values());
        }
    }

    @Test
    void damagedFoldersAreRefused() throws IOException {
        Path folder = temp.resolve("out");
        CaptionSet.Plan plan = plan(CaptionSet.Type.FLOAT32, 64, 2);
        assertThatThrownBy(() -> CaptionEmbeddings.open(folder))
                .hasMessage(folder + " holds no encoded captions: it has no captions.json");
        run(folder, plan, new Told(), 9);
        Path shard = folder.resolve("000001.safetensors");
        try (Scope scope = Scope.open()) {
            Tensor hidden = Tensors.of(new float[64], 2, 32);
            for (long[] rows :
                    List.of(new long[] {0, 2, 1}, new long[] {0, 1, 3}, new long[] {1, 2, 2}, new long[] {0, 2})) {
                Files.delete(shard);
                Safetensors.write(
                        shard,
                        Map.of("hidden", hidden, "rows", Tensors.of(rows), "captions", Tensors.of(0L, 1L, 2L)),
                        Map.of());
                long before = Pointer.totalCount();
                assertThatThrownBy(() -> CaptionEmbeddings.open(folder))
                        .isInstanceOf(InputException.class)
                        .hasMessageStartingWith(shard.toString());
                assertThat(Pointer.totalCount()).isLessThanOrEqualTo(before);
            }
        }
        Files.delete(shard);
        assertThatThrownBy(() -> CaptionEmbeddings.open(folder)).isInstanceOf(InputException.class);
        Files.delete(folder.resolve("captions.json"));
        assertThatThrownBy(() -> run(folder, plan, new Told(), 9))
                .hasMessage(folder + " holds shards of something else: choose another folder");
    }

    @Test
    void aPictureWithoutCaptionAndAShardOutOfBoundsAreRefused() {
        CaptionSet.Plan plan = plan(CaptionSet.Type.FLOAT32, 64, 2);
        assertThatThrownBy(() -> CaptionEncoding.run(
                        temp.resolve("out"),
                        plan,
                        p -> p == 3 ? List.of() : CAPTIONS.get(p),
                        tokenizer,
                        encoder,
                        24,
                        new Told(),
                        () -> false))
                .isInstanceOf(InputException.class)
                .hasMessage("picture 3 has no caption");
        CaptionSet.Plan large = new CaptionSet.Plan(
                1, plan.encoder(), plan.tokenizer(), plan.precision(), plan.type(), 1 << 16, 4096, 5, 5, plan.source());
        List<String> many = java.util.Collections.nCopies(2, "a photo ".repeat(300));
        assertThatThrownBy(() -> CaptionEncoding.run(
                        temp.resolve("large"), large, p -> many, tokenizer, encoder, 24, new Told(), () -> false))
                .isInstanceOf(InputException.class)
                .hasMessageContaining("a shard must keep within 1024 MiB, shard 0 has ");
    }
}
