/**
 * From noise to pictures.
 *
 * <p>Start with {@link org.mezzotint.sample.PictureSampler} (seeds and classes in, pictures out) and its parts:
 * {@link org.mezzotint.sample.Sampler} with its kinds {@link org.mezzotint.sample.Ddpm} and
 * {@link org.mezzotint.sample.Ddim}, {@link org.mezzotint.sample.Guidance} (which turns a network into a guided one),
 * {@link org.mezzotint.sample.NoiseSource} (one random stream a picture, or the way between two) and
 * {@link org.mezzotint.sample.PictureEdit} (what to start from and what to keep).
 *
 * <p>{@link org.mezzotint.sample.SigmaSampler} is the second family: solvers such as {@link org.mezzotint.sample.DpmPp2M} that
 * count in noise levels σ and see a model as a {@link org.mezzotint.diffusion.SigmaDenoiser}. Its random numbers come from
 * {@link org.mezzotint.sample.NoiseSource}, its levels from a {@link org.mezzotint.diffusion.SigmaGrid}.
 *
 * <pre>
 *   seeds ─ NoiseSource.initial ─ Sampler.sample(Denoiser, x, …) ─ pictures (N, C, H, W) in [−1, 1]
 *   Network ─ Guidance ─ Network ─ Denoiser ┘
 *                       DiffusionConfig.denoiser ─ SigmaSampler.sample(…, sigmas, NoiseSource) ─ pictures
 * </pre>
 *
 * <p>The way back: {@link org.mezzotint.sample.LogLikelihood} follows the probability flow from pictures to noise and says how
 * likely the model finds them.
 *
 * <p>Schedule, parameterization, solver and guidance combine freely. A picture depends on its own seed only, not on the
 * batch it is drawn in. Samplers are immutable and may be shared by threads; each call opens one scope a step, and the
 * result belongs to the caller's scope.
 *
 * <p>Papers: DDPM arXiv:2006.11239, DDIM arXiv:2010.02502, EDM arXiv:2206.00364, DPM-Solver arXiv:2206.00927 and
 * DPM-Solver++ arXiv:2211.01095, likelihood arXiv:2011.13456, classifier-free guidance arXiv:2207.12598.
 */
package org.mezzotint.sample;
