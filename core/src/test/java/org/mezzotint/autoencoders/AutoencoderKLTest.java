package org.mezzotint.autoencoders;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.assertj.core.data.Offset;
import org.bytedeco.javacpp.Pointer;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.mezzotint.golden.Golden;
import org.mezzotint.models.layers.Init;
import org.mezzotint.tensor.Devices;
import org.mezzotint.tensor.Precision;
import org.mezzotint.tensor.Rng;
import org.mezzotint.tensor.Scalars;
import org.mezzotint.tensor.Scope;
import org.mezzotint.tensor.Tensors;

class AutoencoderKLTest {
    private Scope scope;
    private Rng rng;
    private AutoencoderKL autoencoder;

    @BeforeEach
    void open() {
        scope = Scope.open();
        rng = new Rng(2);
        autoencoder = TestAutoencoders.kl(Precision.FLOAT64);
    }

    @AfterEach
    void close() {
        autoencoder.close();
        rng.close();
        scope.close();
    }

    private Tensor pictures(long... shape) {
        return rng.normal(ScalarType.Double, shape);
    }

    @Test
    void sizesFollowTheFactorAlsoOfOddNonSquareLatents() {
        Posterior posterior = autoencoder.encode(pictures(1, 3, 12, 20));
        assertThat(posterior.mean().shape()).containsExactly(1, 2, 3, 5);
        assertThat(autoencoder.decode(posterior.mean()).shape()).containsExactly(1, 3, 12, 20);
    }

    @Test
    void aPictureDoesNotDependOnItsBatch() {
        try (NoGradGuard noGrad = new NoGradGuard()) {
            Tensor x = pictures(3, 3, 8, 12);
            Tensor z = autoencoder.encode(x).mean();
            Tensor y = autoencoder.decode(z);
            for (int n = 0; n < 3; n++) {
                Tensor one = autoencoder.encode(x.narrow(0, n, 1)).mean();
                Golden.assertClose("z" + n, Tensors.doubles(z.narrow(0, n, 1)), Tensors.doubles(one), 1e-12);
                Golden.assertClose(
                        "y" + n, Tensors.doubles(y.narrow(0, n, 1)), Tensors.doubles(autoencoder.decode(one)), 1e-12);
            }
        }
    }

    @Test
    void memoryLayoutOfTheInputDoesNotMatter() {
        Tensor x = pictures(1, 3, 12, 8);
        Tensor turned = x.transpose(2, 3).contiguous().transpose(2, 3);
        assertThat(Tensors.doubles(autoencoder.encode(turned).mean()))
                .containsExactly(Tensors.doubles(autoencoder.encode(x).mean()));
    }

    /** Without gradients layers work in place; both ways must agree, and inputs must stay as they were. */
    @Test
    void workingInPlaceChangesNeitherResultsNorInputs() {
        Tensor x = pictures(2, 3, 8, 12);
        double[] before = Tensors.doubles(x);
        Posterior withTape = autoencoder.encode(x);
        Tensor decoded = autoencoder.decode(withTape.mean());
        try (NoGradGuard noGrad = new NoGradGuard()) {
            Tensor z = autoencoder.encode(x).mean();
            double[] latents = Tensors.doubles(z);
            assertThat(latents).containsExactly(Tensors.doubles(withTape.mean()));
            assertThat(Tensors.doubles(autoencoder.decode(z))).containsExactly(Tensors.doubles(decoded));
            assertThat(Tensors.doubles(z)).containsExactly(latents);
        }
        assertThat(Tensors.doubles(x)).containsExactly(before);
    }

    /** Central differences along random directions of all parameters at once, through encoder, sampling and decoder. */
    @Test
    void gradientsEqualDifferences() {
        Tensor x = pictures(1, 3, 8, 4).requires_grad_(true);
        Tensor noise = pictures(1, 2, 2, 1);
        Tensor cotangent = pictures(1, 3, 8, 4);
        loss(x, noise, cotangent).backward();
        double h = 1e-6;
        for (int i = 0; i < 3; i++) {
            Map<String, Tensor> direction = new LinkedHashMap<>();
            double slope = 0;
            for (Map.Entry<String, Tensor> p : autoencoder.trainable().entrySet()) {
                Tensor along = pictures(p.getValue().shape());
                direction.put(p.getKey(), along);
                double part = new Tensor(p.getValue().grad()).mul(along).sum().item_double();
                assertThat(part).as(p.getKey()).isNotZero();
                slope += part;
            }
            double difference =
                    (shifted(direction, h, x, noise, cotangent) - shifted(direction, -h, x, noise, cotangent))
                            / (2 * h);
            assertThat(difference).isCloseTo(slope, Offset.offset(1e-6 * Math.abs(slope)));
        }
        assertThat(new Tensor(x.grad()).abs().max().item_double()).isPositive();
    }

    private Tensor loss(Tensor x, Tensor noise, Tensor cotangent) {
        Posterior.Gaussian posterior = (Posterior.Gaussian) autoencoder.encode(x);
        Tensor decoded = autoencoder.decode(posterior.sample(noise));
        return decoded.mul(cotangent).sum().add(posterior.kl().sum());
    }

    private double shifted(Map<String, Tensor> direction, double by, Tensor x, Tensor noise, Tensor cotangent) {
        try (Scope inner = Scope.open();
                NoGradGuard noGrad = new NoGradGuard()) {
            direction.forEach((name, along) -> autoencoder.state().get(name).add_(along, Scalars.of(by)));
            double value = loss(x, noise, cotangent).item_double();
            direction.forEach((name, along) -> autoencoder.state().get(name).sub_(along, Scalars.of(by)));
            return value;
        }
    }

    @ParameterizedTest
    @CsvSource({"10, 12", "12, 10", "2, 4"})
    void sizesThatTheFactorDoesNotDivideAreRefused(int height, int width) {
        assertThatThrownBy(() -> autoencoder.encode(pictures(1, 3, height, width)))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("height and width must be multiples of the autoencoder's factor 4, got " + height + " and "
                        + width);
    }

    @Test
    void otherShapesAndTypesAreRefused() {
        assertThatThrownBy(() -> autoencoder.encode(pictures(1, 4, 8, 8)))
                .hasMessage("x must have shape (any, 3, any, any), got (1, 4, 8, 8)");
        assertThatThrownBy(() -> autoencoder.decode(pictures(2, 8, 8)))
                .hasMessage("z must have shape (any, 2, any, any), got (2, 8, 8)");
        assertThatThrownBy(() -> autoencoder.encode(pictures(0, 3, 8, 8)))
                .hasMessage("x must not be empty, got shape (0, 3, 8, 8)");
        assertThatThrownBy(() -> autoencoder.decode(rng.normal(ScalarType.Float, 1, 2, 2, 2)))
                .hasMessage("z must be of type Double in this model, got Float");
    }

    @Test
    void aNonFiniteDecodeIsAnErrorWithAHint() {
        Tensor nan = pictures(2, 2, 2, 2);
        nan.select(0, 1).fill_(Scalars.of(Double.NaN));
        assertThatThrownBy(() -> autoencoder.decode(nan))
                .isInstanceOf(NonFiniteException.class)
                .hasMessage("decode gave NaN or infinity in 192 of 384 numbers: its input has such numbers already");

        try (NoGradGuard noGrad = new NoGradGuard()) {
            for (String side : List.of("encoder", "decoder")) {
                autoencoder.state().get(side + ".conv_norm_out.bias").fill_(Scalars.of(10));
                autoencoder.state().get(side + ".conv_out.weight").fill_(Scalars.of(1e308));
            }
        }
        assertThatThrownBy(() -> autoencoder.decode(pictures(1, 2, 2, 2).fill_(Scalars.of(-2))))
                .isInstanceOf(NonFiniteException.class)
                .hasMessageStartingWith("decode gave NaN or infinity in ")
                .hasMessageContaining("its input reaches ±2.00; pictures lie in [-1, 1] and latents must be scaled back"
                        + " first (LatentScale.denormalize)")
                .hasMessageContaining("try precision float32");
        assertThatThrownBy(() -> autoencoder.encode(pictures(1, 3, 4, 4)))
                .isInstanceOf(NonFiniteException.class)
                .hasMessageStartingWith("encode gave NaN or infinity in ");
    }

    @Test
    void mixedPrecisionSaysToTryFloat32() {
        try (AutoencoderKL mixed = TestAutoencoders.kl(Precision.BFLOAT16);
                NoGradGuard noGrad = new NoGradGuard()) {
            mixed.state().get("decoder.conv_out.weight").fill_(Scalars.of(3e38));
            assertThatThrownBy(() -> mixed.decode(rng.normal(ScalarType.Float, 1, 2, 2, 2)))
                    .isInstanceOf(NonFiniteException.class)
                    .hasMessageContaining("run the autoencoder in precision float32");
        }
    }

    @Test
    void mixedPrecisionStaysNear() {
        try (AutoencoderKL mixed = TestAutoencoders.kl(Precision.BFLOAT16);
                AutoencoderKL single = TestAutoencoders.kl(Precision.FLOAT32)) {
            Tensor z = rng.normal(ScalarType.Float, 2, 2, 4, 6);
            Tensor exact = single.decode(z);
            Tensor rough = mixed.decode(z);
            assertThat(Tensors.type(rough)).isEqualTo(ScalarType.Float);
            double error = rough.sub(exact).norm().item_double() / exact.norm().item_double();
            assertThat(error).isGreaterThan(1e-4).isLessThan(0.05);
        }
    }

    @Test
    void nativeObjectsDoNotPileUp() {
        try (NoGradGuard noGrad = new NoGradGuard()) {
            long before = 0;
            for (int i = 0; i < 8; i++) {
                before = i == 2 ? Pointer.totalCount() : before;
                try (Scope inner = Scope.open()) {
                    Tensor x = autoencoder.decode(
                            autoencoder.encode(pictures(1, 3, 8, 8)).mean());
                    assertThat(x.numel()).isEqualTo(192);
                    assertThat(autoencoder.identity()).hasSize(64);
                }
            }
            assertThat(Pointer.totalCount()).isLessThanOrEqualTo(before);
        }
    }

    /** Only the two tensors of the posterior, or the picture, reach the caller's scope. */
    @Test
    void layersFreeWhatTheyNoLongerNeed() {
        try (NoGradGuard noGrad = new NoGradGuard()) {
            Tensor start = pictures(1, 1, 1, 1);
            Tensor[] seen = new Tensor[2];
            Relay relay = new Relay(start)
                    .then(x -> seen[0] = x.add(Scalars.of(1)))
                    .then(x -> {
                        x.mul_(Scalars.of(2));
                        return x;
                    })
                    .then(x -> seen[1] = x.add(Scalars.of(1)));
            assertThat(seen[0].isNull()).isTrue();
            assertThat(start.isNull()).isFalse();
            assertThat(relay.result()).isSameAs(seen[1]);
            assertThat(relay.result().item_double()).isEqualTo((start.item_double() + 1) * 2 + 1);
        }
    }

    @Test
    void identityNamesConfigurationAndWeightsButNotThePrecision() {
        String identity;
        try (AutoencoderKL single = TestAutoencoders.kl(Precision.FLOAT32);
                NoGradGuard noGrad = new NoGradGuard();
                Init init = Init.blank(Precision.FLOAT64, Devices.cpu());
                AutoencoderKL copy = new AutoencoderKL(TestAutoencoders.KL, init);
                AutoencoderKL other = new AutoencoderKL(
                        new AutoencoderKLConfig(3, 2, List.of(4, 6, 8), 1, 2, true, true, true, LatentScale.of(0.25)),
                        init)) {
            identity = single.identity();
            assertThat(identity).matches("[0-9a-f]{64}");
            single.state().forEach((name, tensor) -> copy.state().get(name).copy_(tensor));
            single.state().forEach((name, tensor) -> other.state().get(name).copy_(tensor));
            assertThat(copy.identity()).isEqualTo(identity);
            assertThat(other.identity()).isNotEqualTo(identity);
            Tensor weight = single.state().get("encoder.down_blocks.0.downsamplers.0.conv.weight");
            weight.view(weight.shape())
                    .select(0, 3)
                    .select(0, 3)
                    .select(0, 2)
                    .select(0, 2)
                    .add_(Scalars.of(1e-3));
            assertThat(single.identity()).isNotEqualTo(identity);
        }
    }

    /** A change of this value makes every latent set that was written before unusable. */
    @Test
    void identityIsStable() {
        try (Autoencoder golden =
                PublishedAutoencoders.diffusers(Golden.path("diffusers/vae-tiny"), Precision.FLOAT32, Devices.cpu())) {
            assertThat(golden.identity()).isEqualTo("fa8e70acf75c878ab5241144a6d8580ee7808c065c95ce4b4d966db5ad758a68");
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"attention", "quant", "postQuant"})
    void partsThatAreLeftOutAreNotThere(String part) {
        AutoencoderKLConfig config = new AutoencoderKLConfig(
                3,
                2,
                List.of(4, 8),
                1,
                2,
                !part.equals("attention"),
                !part.equals("quant"),
                !part.equals("postQuant"),
                LatentScale.NONE);
        try (Autoencoder without = TestAutoencoders.random(config, Precision.FLOAT64)) {
            assertThat(without.state().keySet().stream().filter(name -> name.contains("attentions")))
                    .hasSize(part.equals("attention") ? 0 : 20);
            assertThat(without.state().containsKey("quant_conv.weight")).isEqualTo(!part.equals("quant"));
            assertThat(without.state().containsKey("post_quant_conv.weight")).isEqualTo(!part.equals("postQuant"));
            Tensor y = without.decode(without.encode(pictures(1, 3, 4, 4)).mean());
            assertThat(y.shape()).containsExactly(1, 3, 4, 4);
        }
    }

    @Test
    void impossibleConfigurationsAreRefused() {
        assertThatThrownBy(() -> config(3, List.of(4, 6), 4))
                .hasMessage("widths must be multiples of normGroups, got 6 and 4");
        assertThatThrownBy(() -> config(3, List.of(), 4)).hasMessage("widths must name 1 to 16 levels, got 0");
        assertThatThrownBy(() -> config(0, List.of(4), 4)).hasMessage("channels must be at least 1, got 0");
        assertThatThrownBy(() -> new AutoencoderKLConfig(
                        3, 2, List.of(4), 1, 4, true, true, true, new LatentScale(1, 0, List.of(1.0), List.of())))
                .hasMessage("latent mean must have one value for each of the 2 latent channels, or none, got 1");
    }

    private static AutoencoderKLConfig config(int channels, List<Integer> widths, int groups) {
        return new AutoencoderKLConfig(channels, 2, widths, 1, groups, true, true, true, LatentScale.NONE);
    }
}
