package org.mezzotint.autoencoders;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.Arrays;
import java.util.List;
import org.bytedeco.javacpp.Pointer;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.mezzotint.golden.Golden;
import org.mezzotint.tensor.Precision;
import org.mezzotint.tensor.Rng;
import org.mezzotint.tensor.Scalars;
import org.mezzotint.tensor.Scope;
import org.mezzotint.tensor.Tensors;

class PiecesTest {
    private Scope scope;
    private Rng rng;
    private NoGradGuard noGrad;

    @BeforeEach
    void open() {
        scope = Scope.open();
        rng = new Rng(4);
        noGrad = new NoGradGuard();
    }

    @AfterEach
    void close() {
        noGrad.close();
        rng.close();
        scope.close();
    }

    /** A network in which no pixel sees another cell: 3×3 kernels keep their middle only. */
    private static Autoencoder pointwise(int... blocks) {
        List<Integer> levels = Arrays.stream(blocks).boxed().toList();
        TinyAutoencoderConfig config = new TinyAutoencoderConfig(3, 2, 4, levels, levels, false, LatentScale.NONE);
        Autoencoder tiny = TestAutoencoders.random(config, Precision.FLOAT64);
        tiny.state().forEach((name, tensor) -> {
            if (tensor.dim() == 4) {
                try (Scope inner = Scope.open()) {
                    Tensor middle = tensor.narrow(2, 1, 1).narrow(3, 1, 1).clone();
                    tensor.zero_().narrow(2, 1, 1).narrow(3, 1, 1).copy_(middle);
                }
            }
        });
        return tiny;
    }

    @ParameterizedTest
    @CsvSource({"8, 0, 1", "8, 4, 2", "12, 4, 3", "16, 8, 1", "20, 8, 1", "24, 4, 3", "28, 12, 1"})
    void tilesJoinWithoutASeamWhereNoPixelSeesAnother(int tile, int overlap, int batch) {
        try (Autoencoder tiny = pointwise(1, 1, 1)) {
            Tensor x = rng.normal(ScalarType.Double, 3, 3, 16, 36);
            Pieces pieces = new Pieces(tile, overlap, batch);
            Tensor z = tiny.encode(x).mean();
            Golden.assertClose("encode", Tensors.doubles(tiny.encode(x, pieces).mean()), Tensors.doubles(z), 1e-12);
            Golden.assertClose(
                    "decode", Tensors.doubles(tiny.decode(z, pieces)), Tensors.doubles(tiny.decode(z)), 1e-12);
        }
    }

    @Test
    void tilesLieEvenlyAndTheirWeightsRiseLinearlyOverTheOverlap() {
        List<Pieces.Span> two = Pieces.tiles(8, 4).spans("width", 6, 2);
        assertThat(two).containsExactly(new Pieces.Span(0, 4), new Pieces.Span(2, 6));
        List<double[]> weights = Pieces.weights(two, 2);
        assertThat(weights.get(0)).containsExactly(1, 1, 1, 1, 0.875, 0.625, 0.375, 0.125);
        assertThat(weights.get(1)).containsExactly(0.125, 0.375, 0.625, 0.875, 1, 1, 1, 1);
        assertThat(Pieces.weights(Pieces.tiles(8, 0).spans("width", 8, 2), 1).get(1))
                .containsExactly(1, 1, 1, 1);

        assertThat(Pieces.tiles(8, 4).spans("width", 4, 2)).containsExactly(new Pieces.Span(0, 4));
        assertThat(Pieces.tiles(8, 4).spans("width", 11, 2))
                .extracting(Pieces.Span::first)
                .containsExactly(0L, 1L, 3L, 5L, 7L);
    }

    @Test
    void oneTileThatCoversThePictureIsTheWholePicture() {
        try (AutoencoderKL kl = TestAutoencoders.kl(Precision.FLOAT64)) {
            Tensor x = rng.normal(ScalarType.Double, 1, 3, 16, 24);
            Posterior.Gaussian whole = (Posterior.Gaussian) kl.encode(x);
            for (Pieces pieces : List.of(Pieces.tiles(24, 8), Pieces.tiles(1000, 100), Pieces.slices(1))) {
                Posterior.Gaussian cut = (Posterior.Gaussian) kl.encode(x, pieces);
                assertThat(Tensors.doubles(cut.mean())).containsExactly(Tensors.doubles(whole.mean()));
                assertThat(Tensors.doubles(cut.logVariance())).containsExactly(Tensors.doubles(whole.logVariance()));
                assertThat(Tensors.doubles(kl.decode(whole.mean(), pieces)))
                        .containsExactly(Tensors.doubles(kl.decode(whole.mean())));
            }
        }
    }

    @Test
    void slicesChangeNothing() {
        try (AutoencoderKL kl = TestAutoencoders.kl(Precision.FLOAT64)) {
            Tensor x = rng.normal(ScalarType.Double, 3, 3, 8, 4);
            Tensor z = kl.encode(x).mean();
            for (int batch : new int[] {1, 2, 7}) {
                Golden.assertClose(
                        "encode",
                        Tensors.doubles(kl.encode(x, Pieces.slices(batch)).mean()),
                        Tensors.doubles(z),
                        1e-12);
                Golden.assertClose(
                        "decode",
                        Tensors.doubles(kl.decode(z, Pieces.slices(batch))),
                        Tensors.doubles(kl.decode(z)),
                        1e-12);
            }
        }
    }

    /** A tile lacks its surroundings and has norms of its own: near to the whole, the nearer the more it overlaps. */
    @Test
    void tilesOfARealNetworkStayNearTheWholeAndOverlapHelps() {
        try (AutoencoderKL kl = TestAutoencoders.kl(Precision.FLOAT64)) {
            Tensor x = rng.normal(ScalarType.Double, 1, 3, 32, 64);
            Tensor z = kl.encode(x).mean();
            Tensor y = kl.decode(z);
            double encoded = distance(kl.encode(x, Pieces.tiles(32, 16)).mean(), z);
            double decoded = distance(kl.decode(z, Pieces.tiles(32, 16)), y);
            double bluntly = distance(kl.decode(z, Pieces.tiles(32, 0)), y);
            assertThat(encoded).isBetween(1e-6, 0.25);
            assertThat(decoded).isBetween(1e-6, 0.25);
            assertThat(decoded).isLessThan(bluntly);
        }
    }

    private static double distance(Tensor a, Tensor b) {
        return a.sub(b).norm().item_double() / b.norm().item_double();
    }

    @Test
    void aTileThatTheFactorDoesNotDivideIsRefusedWhereItIsNeeded() {
        try (AutoencoderKL kl = TestAutoencoders.kl(Precision.FLOAT64)) {
            Tensor z = rng.normal(ScalarType.Double, 1, 2, 4, 4);
            assertThat(kl.decode(z, new Pieces(18, 2, 1)).shape()).containsExactly(1, 3, 16, 16);
            assertThatThrownBy(() -> kl.decode(z, new Pieces(10, 2, 1)))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessage("tilePixels and overlapPixels must be multiples of the autoencoder's factor 4 for a"
                            + " height of 16 pixels, got 10 and 2");
        }
    }

    @Test
    void impossiblePiecesAreRefused() {
        assertThatThrownBy(() -> new Pieces(0, 0, 1)).hasMessage("tilePixels must be at least 1, got 0");
        assertThatThrownBy(() -> new Pieces(16, 9, 1))
                .hasMessage("overlapPixels must be from 0 to half of tilePixels 16, got 9");
        assertThatThrownBy(() -> new Pieces(16, -1, 1))
                .hasMessage("overlapPixels must be from 0 to half of tilePixels 16, got -1");
        assertThatThrownBy(() -> new Pieces(16, 8, 0)).hasMessage("batch must be at least 1, got 0");
    }

    @Test
    void nothingButTheResultIsLeft() {
        try (AutoencoderKL kl = TestAutoencoders.kl(Precision.FLOAT64)) {
            Tensor x = rng.normal(ScalarType.Double, 1, 3, 8, 12);
            long before = 0;
            for (int i = 0; i < 5; i++) {
                before = i == 2 ? Pointer.totalCount() : before;
                try (Scope inner = Scope.open()) {
                    Tensor y = kl.decode(kl.encode(x, Pieces.tiles(8, 4)).mean(), Pieces.tiles(8, 4));
                    assertThat(y.add(Scalars.of(1)).numel()).isEqualTo(x.numel());
                }
            }
            assertThat(Pointer.totalCount()).isLessThanOrEqualTo(before);
        }
    }
}
