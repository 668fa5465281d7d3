/**
 * The layers that two or more models share, and how a model's parameters are made, named and found.
 *
 * <p>Start with {@link org.mezzotint.models.layers.Layer} (a named tree of parameters, as PyTorch's {@code nn.Module}),
 * {@link org.mezzotint.models.layers.Init} (where and how new parameters are filled),
 * {@link org.mezzotint.models.layers.Linear} (with its packed form for sampling) and
 * {@link org.mezzotint.models.layers.Tape} (activation checkpointing).
 *
 * <pre>
 *   Init ─ new Linear(init, in, out) ─ child("proj", …) ─ Layer.state() = {"blocks.0.attn.proj.weight": …}
 * </pre>
 *
 * <p>We keep parameters in Java and call libtorch's functions on them. libtorch's own modules hand out references into
 * vectors that move (see docs/memory.md), and nothing here needs them. Layers own no memory: the model that builds them
 * does, in one owning scope. After construction layers are read-only except through an optimiser, {@link
 * org.mezzotint.models.layers.Linear#pack} and {@link org.mezzotint.models.layers.Linear#unpack}; several threads may
 * run them at once.
 */
package org.mezzotint.models.layers;
