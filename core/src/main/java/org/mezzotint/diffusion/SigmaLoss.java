package org.mezzotint.diffusion;

import org.bytedeco.pytorch.Tensor;
import org.mezzotint.tensor.Conditioning;
import org.mezzotint.tensor.Shapes;
import org.mezzotint.tensor.Tensors;

/**
 * What a preconditioned network is trained to minimise: a weighted squared error at given noise levels (arXiv:2206.00364v2,
 * eq. 8), of the pixels or, with more than one scale, of their frequencies.
 *
 * @param frame around the network
 * @param weighting over noise levels
 * @param scales 1 for pixels; above, low frequencies of the error's cosine transform count up to this much more
 */
public record SigmaLoss(Frame frame, SigmaWeighting weighting, int scales) {
    /** Checks the rules. */
    public SigmaLoss {
        if (frame == null || weighting == null) {
            throw new IllegalArgumentException("frame and weighting must be given");
        }
        if (scales < 1) {
            throw new IllegalArgumentException("scales must be at least 1, got " + scales);
        }
    }

    /**
     * The loss of each picture.
     *
     * @param network told σ
     * @param x0 (N, C, H, W), clean
     * @param sigma one a picture, above 0
     * @param noise (N, C, H, W), standard normal
     * @param cond the network's other inputs
     * @return (N,), in the caller's scope
     */
    public Tensor losses(Network network, Tensor x0, double[] sigma, Tensor noise, Conditioning cond) {
        long[] s = Shapes.of(Shapes.check("noise", noise, x0.shape()));
        if (sigma.length != s[0]) {
            throw new IllegalArgumentException("sigma must be one a picture, got " + sigma.length + " for " + s[0]);
        }
        Tensor x = x0.add(noise.mul(Preconditioning.column(x0, sigma, level -> level)));
        Tensor error = frame.evaluate(network, x, sigma, cond).sub(frame.target(x0, x, sigma));
        Tensor squared = scales == 1
                ? error.square()
                : Dct.transform(error).square().mul(frequencyWeights(x0, (int) s[2], (int) s[3], scales));
        // the error of x_0 is c_out times that of the output
        Tensor weights = Preconditioning.column(
                x0, sigma, level -> weighting.weight(level, frame.sigmaData()) * frame.out(level) * frame.out(level));
        return squared.mul(weights).flatten(1, 3).mean(1L);
    }

    private static Tensor frequencyWeights(Tensor like, int height, int width, int scales) {
        return Tensors.of(Dct.frequencyWeights(height, width, scales))
                .view(height, width)
                .to(like.device(), Tensors.type(like));
    }
}
