/**
 * Between pictures and latents: the networks that let a diffusion model work on maps an eighth of a picture's side.
 *
 * <p>Start with {@link org.mezzotint.autoencoders.Autoencoder} (encode, decode, identity),
 * {@link org.mezzotint.autoencoders.PublishedAutoencoders} (weights as others publish them),
 * {@link org.mezzotint.autoencoders.AutoencoderBundle} (our own file),
 * {@link org.mezzotint.autoencoders.Pieces} (large pictures in little memory) and
 * {@link org.mezzotint.autoencoders.LatentScale} (what a diffusion model sees of a latent).
 *
 * <pre>
 *   picture in [-1, 1] ─ encode ─ Posterior ─ sample ─ latent z ─ LatentScale.normalize ─ diffusion model
 *   diffusion model ─ LatentScale.denormalize ─ latent z ─ decode ─ picture, about [-1, 1]
 * </pre>
 *
 * <p>{@code encode} and {@code decode} speak of the autoencoder's own latents z; nothing is scaled unless the caller does
 * it. Results that hold NaN or infinity are an exception, never a black picture. Gradients flow through both; who needs
 * none holds a {@code NoGradGuard}, and memory then stays at a few layers' worth.
 *
 * <p>An autoencoder owns its parameters until it is closed. Several threads may run one at once; loading and training must
 * not run beside them. Results belong to the caller's scope.
 *
 * <p>Papers: arXiv:2112.10752v2 (latent diffusion and its autoencoder). The tiny autoencoder has no paper; its authors'
 * code is madebyollin/taesd.
 */
package org.mezzotint.autoencoders;
