/**
 * Bytes in, bytes out: how files are read without trusting them and written without leaving half of one behind.
 *
 * <p>Start with {@link org.mezzotint.io.TensorFile} (weights in any format: {@link org.mezzotint.io.Safetensors}, which is
 * also what is written, {@link org.mezzotint.io.ShardedSafetensors}, {@link org.mezzotint.io.TorchFile}, {@link
 * org.mezzotint.io.NpzFile}), {@link org.mezzotint.io.Yaml} (configs as records) and {@link org.mezzotint.io.AtomicFiles}
 * (every file here is written through it). {@link org.mezzotint.io.TensorCheck} compares a file with what a model needs.
 * {@link org.mezzotint.io.Png}, {@link org.mezzotint.io.Npz} and {@link org.mezzotint.io.EventFile} write what viewers,
 * evaluators and TensorBoard read.
 *
 * <pre>
 *   value ─ bytes ─ .name.random.tmp ─ fsync ─ rename ─ file ─ checks ─ value
 * </pre>
 *
 * <p>A file that cannot be used gives an {@link org.mezzotint.io.InputException} of one line that names the file, the
 * rule and the value; a wrong argument gives an {@code IllegalArgumentException}. Lengths and sizes read from a file
 * are checked against the file before memory is taken for them.
 *
 * <p>Readers and writers that are open belong to one thread; static methods may be called from any thread. Tensors that
 * a reader returns belong to the caller's scope, stay valid after the reader is closed, and keep their
 * memory map alive.
 */
package org.mezzotint.io;
