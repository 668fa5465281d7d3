/**
 * The networks. One model is one file in its paper's order: configuration, named configurations, forward, blocks,
 * initialisation.
 *
 * <p>Start with {@link org.mezzotint.models.DiT}, {@link org.mezzotint.models.Model} (what training and sampling see),
 * {@link org.mezzotint.models.ModelBundle} (a model in a file) and {@link org.mezzotint.models.Cost} (parameters,
 * multiply-accumulates, memory).
 *
 * <pre>
 *   ModelConfig ─ create(Init) ─ Model.forward(x, t, cond) ─ ModelBundle.write ─ file ─ ModelBundle.open ─ load ─ Model
 * </pre>
 *
 * <p>A model owns its parameters until {@link org.mezzotint.models.Model#close}. Forward passes may run on several threads
 * at once; training and packing must not run beside them. Models know nothing of diffusion: what x, t and the output mean
 * is decided in {@code org.mezzotint.diffusion}.
 *
 * <p>Papers: DiT, arXiv:2212.09748v2; HDiT, arXiv:2401.11605v1; simple diffusion, arXiv:2301.11093.
 */
package org.mezzotint.models;
