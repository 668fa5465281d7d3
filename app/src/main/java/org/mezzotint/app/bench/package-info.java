/**
 * Standard workloads: what {@code mezzotint bench} and the side-by-side benchmarks measure.
 *
 * <p>{@link org.mezzotint.app.bench.Workload} builds a model and runs training steps or sampling steps on random latents.
 *
 * <pre>
 *   new Workload(batch, precision, device) ─ trainStep() | sampleStep() ─ seconds
 * </pre>
 *
 * <p>A workload belongs to one thread and owns its models until it is closed. The numbers that it computes are not
 * checked here: tests of the library do that.
 */
package org.mezzotint.app.bench;
