package org.mezzotint.autoencoders;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.List;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.mezzotint.golden.Golden;
import org.mezzotint.tensor.Rng;
import org.mezzotint.tensor.Scope;
import org.mezzotint.tensor.Tensors;

/** {@link Posterior} and {@link LatentScale}. */
class LatentsTest {
    private Scope scope;
    private Rng rng;

    @BeforeEach
    void open() {
        scope = Scope.open();
        rng = new Rng(9);
    }

    @AfterEach
    void close() {
        rng.close();
        scope.close();
    }

    @Test
    void samplesAndDistanceFollowTheirFormulas() {
        Tensor moments = rng.normal(ScalarType.Double, 2, 4, 2, 3);
        Posterior.Gaussian posterior = Posterior.Gaussian.of(moments);
        Tensor noise = rng.normal(ScalarType.Double, 2, 2, 2, 3);
        double[] m = Tensors.doubles(moments);
        double[] e = Tensors.doubles(noise);
        double[] sample = new double[24];
        double[] kl = new double[2];
        for (int n = 0; n < 2; n++) {
            for (int i = 0; i < 12; i++) {
                double mean = m[n * 24 + i];
                double logVariance = m[n * 24 + 12 + i];
                sample[n * 12 + i] = mean + Math.exp(logVariance / 2) * e[n * 12 + i];
                kl[n] += (mean * mean + Math.exp(logVariance) - 1 - logVariance) / 2;
            }
        }
        Golden.assertClose("sample", Tensors.doubles(posterior.sample(noise)), sample, 1e-14);
        Golden.assertClose("kl", Tensors.doubles(posterior.kl()), kl, 1e-14);
        assertThatThrownBy(() -> posterior.sample(rng.normal(ScalarType.Double, 1, 2, 2, 3)))
                .hasMessage("noise must have shape (2, 2, 2, 3), got (1, 2, 2, 3)");
    }

    @Test
    void logarithmsOfVariancesAreCutOff() {
        Tensor moments = Tensors.of(0.0, 0, 0, -31, 21, 5).view(1, 2, 1, 3);
        assertThat(Tensors.doubles(Posterior.Gaussian.of(moments).logVariance()))
                .containsExactly(-30, 20, 5);
    }

    @Test
    void aPointIsItsOwnSampleAndACopy() {
        Tensor z = rng.normal(ScalarType.Double, 1, 2, 2, 3);
        Tensor sample = new Posterior.Point(z).sample(rng.normal(ScalarType.Double, 1, 2, 2, 3));
        assertThat(Tensors.doubles(sample)).containsExactly(Tensors.doubles(z));
        double[] before = Tensors.doubles(z);
        sample.zero_();
        assertThat(Tensors.doubles(z)).containsExactly(before);
    }

    @Test
    void eachPartOfTheScaleCounts() {
        Tensor z = Tensors.of(1.0, 2, 3, 4).view(1, 2, 1, 2);
        assertThat(Tensors.doubles(LatentScale.NONE.normalize(z))).containsExactly(1, 2, 3, 4);
        assertThat(Tensors.doubles(LatentScale.of(0.5).normalize(z))).containsExactly(0.5, 1, 1.5, 2);
        assertThat(Tensors.doubles(new LatentScale(1, 0.5, List.of(), List.of()).normalize(z)))
                .containsExactly(0.5, 1.5, 2.5, 3.5);
        assertThat(Tensors.doubles(new LatentScale(1, 0, List.of(1.0, 3.0), List.of()).normalize(z)))
                .containsExactly(0, 1, 0, 1);
        assertThat(Tensors.doubles(new LatentScale(1, 0, List.of(), List.of(2.0, 4.0)).normalize(z)))
                .containsExactly(0.5, 1, 0.75, 1);
        assertThat(Tensors.doubles(new LatentScale(2, 1, List.of(1.0, 2.0), List.of(4.0, 2.0)).normalize(z)))
                .containsExactly(-0.5, 0, 0, 1);
    }

    @Test
    void denormalizingUndoesIt() {
        LatentScale scale = new LatentScale(0.3611, 0.1159, List.of(0.5, -1.0), List.of(0.9, 3.0));
        Tensor z = rng.normal(ScalarType.Float, 3, 2, 4, 5);
        Tensor back = scale.denormalize(scale.normalize(z));
        assertThat(Tensors.type(back)).isEqualTo(ScalarType.Float);
        Golden.assertClose("z", Tensors.doubles(back), Tensors.doubles(z), 1e-6);
    }

    @Test
    void impossibleScalesAreRefused() {
        assertThatThrownBy(() -> LatentScale.of(0)).hasMessage("latent scale must be finite and not 0, got 0.0");
        assertThatThrownBy(() -> new LatentScale(1, Double.NaN, List.of(), List.of()))
                .hasMessage("latent shift must be finite, got NaN");
        assertThatThrownBy(() -> new LatentScale(1, 0, List.of(), List.of(0.0)))
                .hasMessage("latent deviation must be finite and above 0, got 0.0");
        assertThatThrownBy(() -> new LatentScale(1, 0, List.of(Double.POSITIVE_INFINITY), List.of()))
                .hasMessage("latent mean must be finite, got Infinity");
        assertThatThrownBy(() -> new LatentScale(1, 0, List.of(1.0), List.of())
                        .normalize(rng.normal(ScalarType.Double, 1, 2, 1, 1)))
                .hasMessage("latent mean must have one value for each of the 2 latent channels, or none, got 1");
    }
}
