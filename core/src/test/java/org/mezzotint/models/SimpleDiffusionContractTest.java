package org.mezzotint.models;

import java.util.List;
import org.junit.jupiter.api.Nested;
import org.mezzotint.models.UViTConfig.Transformer;

/** Both networks of simple diffusion, with each kind of first layer. */
class SimpleDiffusionContractTest {
    /** 16 × 24 and 8 × 12 cells. */
    @Nested
    class UNet extends ModelContract {
        @Override
        ModelConfig config() {
            return new SimpleDiffusionUNetConfig(
                    16,
                    24,
                    3,
                    new Downsampling.None(),
                    6,
                    10,
                    List.of(new ResidualLevel(1, 1), new ResidualLevel(2, 1)),
                    List.of(8),
                    2,
                    0.1,
                    8,
                    3,
                    5);
        }
    }

    @Nested
    class UNetBehindWavelets extends ModelContract {
        @Override
        ModelConfig config() {
            return new SimpleDiffusionUNetConfig(
                    16,
                    24,
                    2,
                    new Downsampling.Wavelet(2),
                    8,
                    10,
                    List.of(new ResidualLevel(1, 2), new ResidualLevel(2, 1)),
                    List.of(),
                    4,
                    0,
                    0,
                    2,
                    0);
        }
    }

    @Nested
    class ViTBehindPatches extends ModelContract {
        @Override
        ModelConfig config() {
            return new UViTConfig(
                    16,
                    24,
                    3,
                    new Downsampling.Patch(2),
                    6,
                    10,
                    List.of(new ResidualLevel(1, 2), new ResidualLevel(2, 1)),
                    new Transformer(4, 2, 3, 0.2),
                    3,
                    5);
        }
    }
}
