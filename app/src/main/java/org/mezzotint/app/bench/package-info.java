/**
 * Standard workloads: what {@code mezzotint bench} and the side-by-side benchmarks measure.
 *
 * <p>{@link org.mezzotint.app.bench.Task} says what is computed: network, loss, one step of the sampler. {@link
 * org.mezzotint.app.bench.Workload} builds the model and runs training steps or sampling steps on random pictures.
 *
 * <pre>
 *   Task.named(name, size) ─ new Workload(task, …) ─ trainStep() | sampleStep() ─ seconds
 * </pre>
 *
 * <p>A workload belongs to one thread and owns its models until it is closed. The numbers that it computes are not
 * checked here: tests of the library do that.
 */
package org.mezzotint.app.bench;
