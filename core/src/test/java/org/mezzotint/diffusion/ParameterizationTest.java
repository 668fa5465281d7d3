package org.mezzotint.diffusion;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.mezzotint.tensor.Rng;
import org.mezzotint.tensor.Scope;
import org.mezzotint.tensor.Tensors;

class ParameterizationTest {
    private static final double[] ALPHA = {0.999, 0.8, Math.sqrt(0.5), 0.05};

    private static Tensor alpha(Tensor like) {
        return DiffusionChain.broadcast(ALPHA, like);
    }

    private static Tensor sigma(Tensor like) {
        double[] sigma = new double[ALPHA.length];
        for (int i = 0; i < sigma.length; i++) {
            sigma[i] = Math.sqrt(1 - ALPHA[i] * ALPHA[i]);
        }
        return DiffusionChain.broadcast(sigma, like);
    }

    @ParameterizedTest
    @EnumSource
    void aPerfectOutputGivesBackPictureAndNoise(Parameterization parameterization) {
        try (Scope scope = Scope.open();
                Rng rng = new Rng(1)) {
            Tensor x0 = rng.normal(ScalarType.Double, 4, 3, 2, 5);
            Tensor eps = rng.normal(ScalarType.Double, 4, 3, 2, 5);
            Tensor alpha = alpha(x0);
            Tensor sigma = sigma(x0);
            Tensor x = alpha.mul(x0).add(sigma.mul(eps));
            Tensor output = parameterization.target(x0, eps, alpha, sigma);
            assertThat(Tensors.doubles(parameterization.x0(x, output, alpha, sigma)))
                    .containsExactly(Tensors.doubles(x0), within(1e-12));
            assertThat(Tensors.doubles(parameterization.eps(x, output, alpha, sigma)))
                    .containsExactly(Tensors.doubles(eps), within(1e-12));
        }
    }

    @ParameterizedTest
    @EnumSource
    void anyOutputsPictureAndNoiseMakeUpItsInput(Parameterization parameterization) {
        try (Scope scope = Scope.open();
                Rng rng = new Rng(2)) {
            Tensor x = rng.normal(ScalarType.Double, 4, 1, 3, 2);
            Tensor output = rng.normal(ScalarType.Double, 4, 1, 3, 2);
            Tensor alpha = alpha(x);
            Tensor sigma = sigma(x);
            Tensor x0 = parameterization.x0(x, output, alpha, sigma);
            Tensor eps = parameterization.eps(x, output, alpha, sigma);
            assertThat(Tensors.doubles(alpha.mul(x0).add(sigma.mul(eps))))
                    .containsExactly(Tensors.doubles(x), within(1e-12));
            assertThat(Tensors.doubles(parameterization.target(x0, eps, alpha, sigma)))
                    .containsExactly(Tensors.doubles(output), within(1e-12));
        }
    }

    @ParameterizedTest
    @EnumSource
    void errorsOfTheOutputAreErrorsOfThePictureTimesTheStatedScale(Parameterization parameterization) {
        try (Scope scope = Scope.open();
                Rng rng = new Rng(3)) {
            Tensor x = rng.normal(ScalarType.Double, 4, 1, 1, 1);
            Tensor output = rng.normal(ScalarType.Double, 4, 1, 1, 1);
            Tensor error = rng.normal(ScalarType.Double, 4, 1, 1, 1);
            double[] exact = Tensors.doubles(parameterization.x0(x, output, alpha(x), sigma(x)));
            double[] wrong = Tensors.doubles(parameterization.x0(x, output.add(error), alpha(x), sigma(x)));
            for (int i = 0; i < 4; i++) {
                double snr = ALPHA[i] * ALPHA[i] / (1 - ALPHA[i] * ALPHA[i]);
                double ratio = Math.pow(wrong[i] - exact[i], 2) / Math.pow(Tensors.doubles(error)[i], 2);
                assertThat(parameterization.x0ErrorScale(snr)).isCloseTo(ratio, within(1e-9 * ratio));
            }
        }
    }

    @Test
    void theThreePredictDifferentThings() {
        try (Scope scope = Scope.open()) {
            Tensor x0 = Tensors.of(2.0);
            Tensor eps = Tensors.of(3.0);
            Tensor alpha = Tensors.of(0.8);
            Tensor sigma = Tensors.of(0.6);
            assertThat(Parameterization.EPS.target(x0, eps, alpha, sigma).item_double())
                    .isEqualTo(3);
            assertThat(Parameterization.X0.target(x0, eps, alpha, sigma).item_double())
                    .isEqualTo(2);
            assertThat(Parameterization.V.target(x0, eps, alpha, sigma).item_double())
                    .isCloseTo(1.2, within(1e-12));
        }
    }
}
