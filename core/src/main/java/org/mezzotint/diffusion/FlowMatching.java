package org.mezzotint.diffusion;

import com.fasterxml.jackson.annotation.JsonProperty;
import java.util.Arrays;
import org.bytedeco.pytorch.Tensor;
import org.mezzotint.tensor.Conditioning;
import org.mezzotint.tensor.Scope;
import org.mezzotint.tensor.Shapes;
import org.mezzotint.tensor.Tensors;

/**
 * Training of a network to give the velocity dx_t/dt = α'(t)·x_0 + σ'(t)·ε of an interpolant (arXiv:2210.02747;
 * arXiv:2401.08740, eq. 5).
 *
 * @param interpolant the path from pictures to noise
 * @param time density of the times in training
 * @param shift s that moves times to t·s/(1 + (s − 1)·t), in training and sampling; 1 for none. √(pixels/reference pixels) gives
 *     large pictures the noise that small ones would see (arXiv:2403.03206v1, eq. 23)
 * @param convention how the network is told the time and which way its velocity points
 */
public record FlowMatching(Interpolant interpolant, FlowTime time, double shift, Convention convention)
        implements DiffusionConfig, Objective {
    /** The ends in σ/α, which is 0 and infinite at t = 0 and 1: far beyond what a picture shows. */
    private static final double SIGMA_MIN = 1e-3;

    private static final double SIGMA_MAX = 1e3;

    /** What the network hears and says. */
    public enum Convention {
        /** It is told 1000·t and gives dx_t/dt, from pictures to noise. */
        @JsonProperty("to-noise")
        TO_NOISE {
            @Override
            double told(double t) {
                return NoiseSchedule.Continuous.TIME_SCALE * t;
            }

            @Override
            double t(double told) {
                return told / NoiseSchedule.Continuous.TIME_SCALE;
            }
        },
        /**
         * SiT's (arXiv:2401.08740): it is told 1 − t and gives −dx_t/dt, from noise to pictures. Channels behind the first C of
         * its output, which SiT's code has and drops, are without effect.
         */
        @JsonProperty("sit")
        SIT {
            @Override
            double told(double t) {
                return 1 - t;
            }

            @Override
            double t(double told) {
                return 1 - told;
            }
        };

        abstract double told(double t);

        abstract double t(double told);
    }

    /** Checks the rules. */
    public FlowMatching {
        if (interpolant == null || time == null || convention == null) {
            throw new IllegalArgumentException("interpolant, time and convention must be given");
        }
        if (!(shift > 0 && shift < 1e6)) {
            throw new IllegalArgumentException("shift must be above 0 and below 1000000, got " + shift);
        }
    }

    /**
     * A time moved by the shift.
     *
     * @param t 0 to 1
     * @return 0 to 1
     */
    public double shifted(double t) {
        return shift * t / (1 + (shift - 1) * t);
    }

    @Override
    public Objective objective() {
        return this;
    }

    @Override
    public Levels levels(double... u) {
        double[] times = Arrays.stream(u).map(each -> shifted(time.time(each))).toArray();
        double[] logSnr = Arrays.stream(times)
                .map(t -> 2 * Math.log(interpolant.alpha(t) / interpolant.sigma(t)))
                .toArray();
        return new Levels(new int[0], Arrays.stream(times).map(convention::told).toArray(), logSnr);
    }

    @Override
    public Terms terms(Network network, Tensor x0, Levels levels, Tensor noise, Conditioning cond) {
        long[] s = Shapes.of(Shapes.check("noise", noise, Shapes.of(x0)));
        double[] t = Arrays.stream(levels.time()).map(convention::t).toArray();
        if (t.length != s[0]) {
            throw new IllegalArgumentException(
                    "levels must hold one level a picture, got " + t.length + " for " + s[0]);
        }
        try (Scope scope = Scope.open()) {
            Tensor x = x0.mul(Preconditioning.column(x0, t, interpolant::alpha))
                    .add(noise.mul(Preconditioning.column(x0, t, interpolant::sigma)));
            Tensor velocity = x0.mul(Preconditioning.column(x0, t, interpolant::alphaRate))
                    .add(noise.mul(Preconditioning.column(x0, t, interpolant::sigmaRate)));
            Tensor output = velocity(network, x, t, cond);
            Tensor mse = scope.keep(output.sub(velocity).square().flatten(1, 3).mean(1L));
            return new Terms(mse, mse, scope.keep(Tensors.of(new double[0])));
        }
    }

    /** dx_t/dt (N, C, H, W), as the network guesses it, at a time for each picture. */
    private Tensor velocity(Network network, Tensor x, double[] t, Conditioning cond) {
        Tensor time = Tensors.of(Arrays.stream(t).map(convention::told).toArray());
        Tensor output = network.evaluate(x, time.to(x.device(), Tensors.type(time)), cond);
        long[] s = Shapes.of(x);
        if (convention == Convention.TO_NOISE) {
            return Shapes.check("the network's output", output, s);
        }
        Shapes.check("the network's output", output, s[0], Shapes.ANY, s[2], s[3]);
        return output.narrow(1, 0, s[1]).neg();
    }

    /** x_0 = (σ'·x_t − σ·v)/(α·σ' − σ·α'), at the time and in the scale where σ/α is the level. */
    @Override
    public SigmaDenoiser denoiser(Network network, Conditioning cond) {
        return (x, sigma) -> {
            try (Scope scope = Scope.open()) {
                double[] t = Arrays.stream(sigma).map(interpolant::time).toArray();
                Tensor scaled = x.mul(Preconditioning.column(x, t, interpolant::alpha));
                Tensor v = velocity(network, scaled, t, cond);
                return scope.keep(scaled.mul(Preconditioning.column(
                                x, t, at -> interpolant.sigmaRate(at) / interpolant.determinant(at)))
                        .sub(v.mul(Preconditioning.column(
                                x, t, at -> interpolant.sigma(at) / interpolant.determinant(at)))));
            }
        };
    }

    @Override
    public double fraction(double time) {
        return convention.t(time);
    }

    @Override
    public boolean fitsOutput(int channels, int output) {
        return output == channels || (convention == Convention.SIT && output == 2 * channels);
    }

    @Override
    public SigmaTimes times() {
        return new Times(this);
    }

    /** Told times as σ/α. */
    private record Times(FlowMatching flow) implements SigmaTimes {
        @Override
        public double sigma(double time) {
            return Math.max(SIGMA_MIN, Math.min(ratio(flow.convention.t(time)), SIGMA_MAX));
        }

        private double ratio(double t) {
            return flow.interpolant.sigma(t) / flow.interpolant.alpha(t);
        }

        @Override
        public double time(double sigma) {
            return flow.convention.told(flow.interpolant.time(sigma));
        }

        @Override
        public double min() {
            return SIGMA_MIN;
        }

        @Override
        public double max() {
            return SIGMA_MAX;
        }

        /** Even steps before the shift, from noise; the step to the clean picture follows. */
        @Override
        public double[] levels(int n) {
            double last = flow.interpolant.time(SIGMA_MAX);
            double first = last / (flow.shift - (flow.shift - 1) * last); // before the shift
            double[] sigmas = new double[n];
            for (int i = 0; i < n; i++) {
                sigmas[i] = ratio(flow.shifted(first * (n - i) / n));
            }
            return sigmas;
        }
    }
}
