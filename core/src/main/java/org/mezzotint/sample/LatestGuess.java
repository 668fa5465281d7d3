package org.mezzotint.sample;

import org.bytedeco.pytorch.Tensor;
import org.mezzotint.diffusion.SigmaDenoiser;
import org.mezzotint.tensor.Scope;

/** Remembers the newest guess of clean pictures that a solver got, for those who watch. */
final class LatestGuess implements AutoCloseable {
    private Scope scope;
    private Tensor guess;

    SigmaDenoiser of(SigmaDenoiser denoiser) {
        return (x, sigma) -> {
            Tensor result = denoiser.denoise(x, sigma);
            remember(result);
            return result;
        };
    }

    void remember(Tensor result) {
        close();
        scope = Scope.owner();
        scope.leave();
        guess = scope.hold(result);
    }

    Sampler.Progress telling(PictureSampler.Watch watch) {
        return (done, total, x) -> watch.step(done, total, guess);
    }

    @Override
    public void close() {
        if (scope != null) {
            scope.close();
        }
    }
}
