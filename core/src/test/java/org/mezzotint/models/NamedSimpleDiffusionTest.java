package org.mezzotint.models;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.mezzotint.io.Yaml;

class NamedSimpleDiffusionTest {
    private static SimpleDiffusionUNetConfig unet(String name) {
        return (SimpleDiffusionUNetConfig) NamedSimpleDiffusion.named(name);
    }

    /** Levels run down to 8 × 8; the lists of one size move blocks, and sum to 27 at 128, 25 at 256 and 26 at 512. */
    @ParameterizedTest
    @CsvSource({
        "simple-unet-128, 128, 27",
        "simple-unet-256, 256, 25",
        "simple-unet-256-wavelet-1, 128, 27",
        "simple-unet-512-none, 512, 26",
        "simple-unet-512-wavelet-1, 256, 26",
        "simple-unet-512-patch-2, 256, 26",
        "simple-unet-512-wavelet-2, 128, 26",
        "simple-unet-512-patch-4, 128, 26"
    })
    void theUNetsReach8By8WithTheReviewsBlocks(String name, int outermost, int blocks) {
        SimpleDiffusionUNetConfig config = unet(name);
        int last = config.levels().size() - 1;
        assertThat(config.rows(0)).isEqualTo(outermost);
        assertThat(config.rows(last)).isEqualTo(8);
        assertThat(config.levels().get(last - 1).blocks()).isEqualTo(12); // at 16 × 16
        assertThat(config.levels().stream().mapToInt(ResidualLevel::blocks).sum())
                .isEqualTo(blocks);
        assertThat(config.attends(last - 2)).isFalse();
        assertThat(config.attends(last - 1)).isTrue();
    }

    @Test
    void theRowsOfTables3And4ChangeOneThing() {
        SimpleDiffusionUNetConfig base = unet("simple-unet-128");
        assertThat(unet("simple-unet-128-dropout-none").dropout()).isZero();
        for (int from : List.of(128, 64, 32)) {
            assertThat(unet("simple-unet-128-dropout-" + from).dropoutFrom()).isEqualTo(from);
            assertThat(unet("simple-unet-128-dropout-" + from).levels()).isEqualTo(base.levels());
        }
        for (int blocks : List.of(2, 4, 8)) {
            SimpleDiffusionUNetConfig row = unet("simple-unet-128-blocks-" + blocks);
            assertThat(row.levels().get(3).blocks()).isEqualTo(blocks);
            assertThat(row.levels().get(2)).isEqualTo(base.levels().get(2));
            assertThat(row.dropoutFrom()).isEqualTo(16);
        }
    }

    /**
     * Counted once more by hand: attention and MLP of 36 blocks 12·D², scale and shift 2·4·D·E, biases, norms; the outer
     * levels' blocks 18·D² of convolutions and 2·D·E of projections.
     */
    @Test
    void theUViTsHaveTheirPublishedSize() {
        long d = 2048;
        long e = 1024;
        long block = 12 * d * d
                + 8 * d * e // weights
                + (4 + 1 + 8 + 3 + 1) * d // biases: up, down, modulation, qkv, proj
                + 2 * d
                + 3 * 512; // norms
        long outer = 0;
        for (long w : new long[] {128, 256, 512}) {
            // per block two convolutions, the projection and two norms; two blocks on the way out have a third norm
            outer += 4 * (18 * w * w + 2 * w + 2 * w * e + 2 * w + 4 * w) + 2 * 2 * w;
        }
        outer += 2 * (128 * 256 + 256 * 512 + 512 * 2048) + (256 + 512 + 2048) + (128 + 256 + 512); // in and out
        long edges = 9 * 12 * 128 + 128 + 2 * 128 + 9 * 128 * 12 + 12;
        long conditioning = 128 * e + e + e * e + e + 1001 * e;
        Cost cost = NamedSimpleDiffusion.named("uvit-256").cost();
        assertThat(cost.parameters()).isEqualTo(36 * block + 16 * 16 * d + outer + edges + conditioning);
        assertThat(cost.parameters() / 1e9).isCloseTo(2.45, within(0.005));
        assertThat(cost.macs() / 1e9).isBetween(530.0, 555.0);
        for (String name : List.of("uvit-128", "uvit-512")) { // the same network behind other first layers
            Cost other = NamedSimpleDiffusion.named(name).cost();
            assertThat((double) other.macs() / cost.macs()).isCloseTo(1, within(0.01));
        }
    }

    /** The bars for what training keeps: first layers that bring the picture down save what the large maps would cost. */
    @Test
    void waveletsSaveTheMemoryOfLargeMaps() {
        assertThat(activations("simple-unet-256-wavelet-1") / activations("simple-unet-256"))
                .isLessThanOrEqualTo(0.7);
        assertThat(activations("simple-unet-512-wavelet-2") / activations("simple-unet-512-none"))
                .isLessThanOrEqualTo(0.35);
        assertThat(activations("simple-unet-512-wavelet-1") / activations("simple-unet-512-none"))
                .isBetween(0.35, 0.7);
    }

    private static double activations(String name) {
        return NamedSimpleDiffusion.named(name).cost().activationBytes();
    }

    @Test
    void whatLevelsCostIsPartOfTheWhole() {
        for (String name : List.of("simple-unet-128", "uvit-128")) {
            Cost cost = NamedSimpleDiffusion.named(name).cost();
            long conditioning = 128 * 1024 + 1024 + 1024 * 1024 + 1024 + 1001 * 1024; // noise and classes
            assertThat(cost.levels().stream().mapToLong(Cost.Level::parameters).sum())
                    .isEqualTo(cost.parameters() - conditioning);
            assertThat(cost.levels().stream().mapToLong(Cost.Level::macs).sum())
                    .isEqualTo(cost.macs() - 128 * 1024 - 1024 * 1024);
            assertThat(cost.checkpointedBytes()).isLessThan(cost.activationBytes() / 3);
            assertThat(cost.inferenceBytes()).isLessThan(cost.checkpointedBytes());
        }
        List<Cost.Level> levels = NamedSimpleDiffusion.named("uvit-128").cost().levels();
        assertThat(levels).hasSize(4);
        assertThat(levels.get(3).rows()).isEqualTo(16);
        assertThat(levels.get(3).channels()).isEqualTo(2048);
    }

    @Test
    void everyConfigurationComesBackFromItsFile() {
        for (String name : NamedSimpleDiffusion.names()) {
            ModelConfig config = NamedSimpleDiffusion.named(name);
            assertThat(Yaml.parse(Yaml.toJson(config), name, Map.of(), ModelConfig.class))
                    .isEqualTo(config);
        }
        assertThat(NamedSimpleDiffusion.names()).hasSize(18);
    }

    @Test
    void anUnknownNameIsRefusedWithTheKnownOnes() {
        assertThatThrownBy(() -> NamedSimpleDiffusion.named("uvit-64"))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageStartingWith("model must be one of simple-unet-128, simple-unet-256,")
                .hasMessageEndingWith("got uvit-64");
    }
}
