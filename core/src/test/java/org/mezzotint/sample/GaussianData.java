package org.mezzotint.sample;

import java.util.function.DoubleUnaryOperator;
import org.bytedeco.pytorch.Tensor;
import org.mezzotint.diffusion.Denoiser;
import org.mezzotint.diffusion.DiffusionChain;
import org.mezzotint.diffusion.Network;
import org.mezzotint.diffusion.NoiseSchedule;
import org.mezzotint.diffusion.Parameterization;
import org.mezzotint.diffusion.Variance;
import org.mezzotint.tensor.Conditioning;
import org.mezzotint.tensor.Tensors;

/**
 * Data of which everything is known: each pixel is N(m, s²) by itself. With x = α·x_0 + σ·ε the best guess of x_0 is
 * m + α·s²/(α²·s² + σ²)·(x − α·m), and the probability flow keeps (x − α·m)/√(α²·s² + σ²).
 */
record GaussianData(double mean, double deviation) {
    /** The network that knows the data. It sees the time only, as any network does. */
    Network network(NoiseSchedule schedule, Parameterization parameterization) {
        DoubleUnaryOperator alphaBar = alphaBarOfTime(schedule);
        return (x, t, cond) -> {
            double[] in = Tensors.doubles(x);
            double[] times = Tensors.doubles(t);
            double[] out = new double[in.length];
            int each = in.length / times.length;
            double variance = deviation * deviation;
            for (int picture = 0; picture < times.length; picture++) {
                double power = alphaBar.applyAsDouble(times[picture]);
                double alpha = Math.sqrt(power);
                double sigma = Math.sqrt(1 - power);
                for (int i = picture * each; i < (picture + 1) * each; i++) {
                    double x0 = mean + alpha * variance / (power * variance + 1 - power) * (in[i] - alpha * mean);
                    double eps = (in[i] - alpha * x0) / sigma;
                    out[i] = switch (parameterization) {
                        case EPS -> eps;
                        case X0 -> x0;
                        case V -> alpha * eps - sigma * x0;
                    };
                }
            }
            return Tensors.of(out).view(x.shape()).to(x.scalar_type());
        };
    }

    private static DoubleUnaryOperator alphaBarOfTime(NoiseSchedule schedule) {
        if (schedule instanceof NoiseSchedule.Continuous continuous) {
            return time -> 1 / (1 + Math.exp(-continuous.logSnr(time / 1000)));
        }
        double[] all = schedule.chain("").alphaBar();
        return time -> all[(int) time];
    }

    Denoiser denoiser(NoiseSchedule schedule, Parameterization parameterization, Variance variance, int steps) {
        return new Denoiser(
                network(schedule, parameterization),
                Conditioning.none(),
                schedule.chain(Integer.toString(steps)),
                parameterization,
                variance,
                false);
    }

    /** Where the probability flow leads from a state at the chain's noisiest level. */
    double[] flowToPictures(DiffusionChain chain, Tensor noise) {
        double power = chain.alphaBar()[chain.steps() - 1];
        double[] x = Tensors.doubles(noise);
        for (int i = 0; i < x.length; i++) {
            double z = (x[i] - Math.sqrt(power) * mean) / Math.sqrt(power * deviation * deviation + 1 - power);
            x[i] = mean + deviation * z;
        }
        return x;
    }
}
