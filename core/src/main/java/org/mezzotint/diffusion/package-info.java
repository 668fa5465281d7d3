/**
 * The mathematics of diffusion: how pictures are noised, what a network predicts, and what it is trained on.
 *
 * <p>Start with {@link org.mezzotint.diffusion.DiffusionConfig}: what a network is trained to do. Its kinds are
 * {@link org.mezzotint.diffusion.ScheduledDiffusion}, {@link org.mezzotint.diffusion.FramedDiffusion} (EDM's and Score SDE's
 * frames) and {@link org.mezzotint.diffusion.FlowMatching}. Each gives an {@link org.mezzotint.diffusion.Objective}, which training
 * minimises, and a {@link org.mezzotint.diffusion.SigmaDenoiser}, which samplers follow; a schedule also gives a
 * {@link org.mezzotint.diffusion.DiffusionChain} of numbered levels, for a {@link org.mezzotint.diffusion.Denoiser} that knows learned
 * variances.
 *
 * <pre>
 *   DiffusionConfig + Network ─ objective() ─ Objective ─ (trainer)
 *                             ├ denoiser() ── SigmaDenoiser ─ (samplers that count in σ)
 *                             └ schedule().chain(spacing) ─ Denoiser ─ (samplers along a chain)
 * </pre>
 *
 * <p>A noise level is σ, noise in units of clean pictures, or the log SNR λ = −2·ln σ. Schedules are variance preserving:
 * {@code x_t = α·x_0 + σ·ε}, α² + σ² = 1, α² = ᾱ_t, λ = log(α²/σ²).
 * Schedules are computed in double; the cast to a tensor's type is last. All types are immutable and may be shared by
 * threads; results belong to the caller's scope. The package does not know the models: a
 * {@link org.mezzotint.diffusion.Network} is a function.
 *
 * <p>Papers: DDPM arXiv:2006.11239, improved DDPM arXiv:2102.09672, DDIM arXiv:2010.02502, progressive distillation (v)
 * arXiv:2202.00512, min-SNR arXiv:2303.09556, EDM arXiv:2206.00364, HDiT arXiv:2401.11605, SiT arXiv:2401.08740,
 * Score SDE arXiv:2011.13456, simple diffusion arXiv:2301.11093.
 */
package org.mezzotint.diffusion;
