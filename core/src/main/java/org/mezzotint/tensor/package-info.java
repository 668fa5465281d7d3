/**
 * libtorch made safe: who frees native memory, which device and number type, and where random numbers come from.
 *
 * <p>Start with {@link org.mezzotint.tensor.Scope} (every tensor made inside it is freed at its end),
 * {@link org.mezzotint.tensor.Rng} (one random stream per picture), {@link org.mezzotint.tensor.Shapes} (shape checks at
 * borders), {@link org.mezzotint.tensor.Devices} and {@link org.mezzotint.tensor.Precision}.
 *
 * <pre>
 *   Scope.open() ─ tensors of one step ─ keep(result) ─ close()
 * </pre>
 *
 * <p>A scope belongs to the thread that opened it; a tensor made on a thread without a scope lives until its owner
 * closes it. Nothing here reads the environment or system properties, and nothing sets a global random seed.
 * docs/memory.md explains ownership. This package knows nothing of pictures or models.
 */
package org.mezzotint.tensor;
