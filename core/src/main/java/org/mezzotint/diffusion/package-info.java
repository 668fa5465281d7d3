/**
 * The mathematics of diffusion: how pictures are noised, what a network predicts, and what it is trained on.
 *
 * <p>Start with {@link org.mezzotint.diffusion.NoiseSchedule} (how much noise at which time),
 * {@link org.mezzotint.diffusion.DiffusionChain} (a finite chain of noise levels with all its coefficients),
 * {@link org.mezzotint.diffusion.Parameterization} (what the network's output means),
 * {@link org.mezzotint.diffusion.Denoiser} (network + parameterization + chain: what samplers see) and
 * {@link org.mezzotint.diffusion.DiffusionLoss} (what training minimises).
 *
 * <pre>
 *   NoiseSchedule ─ chain(spacing) ─ DiffusionChain ┐
 *   Network ─ Parameterization ─────────────────────┴─ Denoiser ─ (sampler)
 *   NoiseSchedule + Parameterization + Network ─ DiffusionLoss ─ (trainer)
 * </pre>
 *
 * <p>Everything is variance preserving: {@code x_t = α·x_0 + σ·ε}, α² + σ² = 1, α² = ᾱ_t, log SNR λ = log(α²/σ²).
 * Schedules are computed in double; the cast to a tensor's type is last. All types are immutable and may be shared by
 * threads; results belong to the caller's scope. The package does not know the models: a
 * {@link org.mezzotint.diffusion.Network} is a function.
 *
 * <p>Papers: DDPM arXiv:2006.11239, improved DDPM arXiv:2102.09672, DDIM arXiv:2010.02502, progressive distillation (v)
 * arXiv:2202.00512, min-SNR arXiv:2303.09556, simple diffusion arXiv:2301.11093.
 */
package org.mezzotint.diffusion;
