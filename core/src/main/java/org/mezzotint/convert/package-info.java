/**
 * How does a checkpoint that someone else published become one of ours, and back?
 *
 * <p>Start with {@link org.mezzotint.convert.Checkpoint}, a model as files hold it, and with the readers and writers of each
 * family: {@link org.mezzotint.convert.DiTFiles} (facebookresearch/DiT), {@link org.mezzotint.convert.SitFiles},
 * {@link org.mezzotint.convert.DiffusersDiT} (Hugging Face's folders), {@link org.mezzotint.convert.KDiffusionFiles}.
 *
 * <pre>
 *   TensorFile → names and configuration of that family → Checkpoint → ModelBundle, a run, or another family's file
 * </pre>
 *
 * <p>Nothing is guessed and nothing dropped in silence: a tensor without a place, a missing one or one of another shape is an
 * error that lists them all; a configuration key that is unknown is one too; what the file does not say is asked for by name
 * ({@link org.mezzotint.convert.Settings}). Tensors keep their bits: number types are not changed on the way.
 *
 * <p>Tensors belong to the caller's scope; most are maps of the file. No class here is shared between threads.
 */
package org.mezzotint.convert;
