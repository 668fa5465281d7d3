package org.mezzotint.sample;

import java.util.Optional;
import org.bytedeco.pytorch.Device;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.mezzotint.diffusion.SigmaDenoiser;
import org.mezzotint.tensor.Scalars;
import org.mezzotint.tensor.Scope;
import org.mezzotint.tensor.Shapes;

/**
 * A picture to start from, and what of it may change.
 *
 * <p>With a strength below 1, the picture is noised to the level that lies so far along the way, and denoised from there
 * (arXiv:2108.01073, algorithm 1). With a mask, every guess of the clean picture is the given one outside of the mask, so that
 * any solver carries the known part to itself and paints the rest to match it.
 *
 * @param picture (1, C, H, W) in [−1, 1]
 * @param strength above 0 to 1: the share of the steps that are taken; at 1 only a mask lets the picture through
 * @param mask (1, 1, H, W), 1 where the picture may change, 0 where it stays, or between
 */
public record PictureEdit(Tensor picture, double strength, Optional<Tensor> mask) {
    /** Checks the rules. */
    public PictureEdit {
        Shapes.check("picture", picture, 1, Shapes.ANY, Shapes.ANY, Shapes.ANY);
        if (mask.isPresent()) {
            Shapes.check("mask", mask.get(), 1, 1, picture.size(2), picture.size(3));
        }
        if (!(strength > 0 && strength <= 1)) {
            throw new IllegalArgumentException("strength must be above 0 and at most 1, got " + strength);
        }
    }

    /**
     * How many of n steps are taken.
     *
     * @param strength above 0 to 1
     * @param n steps of the whole way
     * @return at least 1
     */
    public static int stepsTaken(double strength, int n) {
        return Math.max(1, (int) Math.round(strength * n));
    }

    int skipped(int n) {
        return n - stepsTaken(strength, n);
    }

    PictureEdit to(Device device, ScalarType type) {
        return new PictureEdit(picture.to(device, type), strength, mask.map(where -> where.to(device, type)));
    }

    /** The state at the first level. */
    Tensor start(Tensor noise, double sigma) {
        try (Scope scope = Scope.open()) {
            Tensor noisy = noise.mul(Scalars.of(sigma));
            if (strength < 1) {
                return scope.keep(noisy.add(picture));
            }
            return scope.keep(mask.isPresent() ? noisy.add(outside(picture)) : noisy);
        }
    }

    private Tensor outside(Tensor values) {
        return values.mul(mask.orElseThrow().neg().add(Scalars.of(1)));
    }

    /** A guess, or a result, with the given picture outside of the mask. */
    Tensor keepOutside(Tensor guess) {
        try (Scope scope = Scope.open()) {
            return scope.keep(guess.mul(mask.orElseThrow()).add(outside(picture)));
        }
    }

    SigmaDenoiser around(SigmaDenoiser denoiser) {
        if (mask.isEmpty()) {
            return denoiser;
        }
        return (x, sigma) -> {
            try (Scope scope = Scope.open()) {
                return scope.keep(keepOutside(denoiser.denoise(x, sigma)));
            }
        };
    }
}
