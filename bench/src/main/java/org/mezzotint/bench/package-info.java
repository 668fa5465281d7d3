/**
 * Compares Mezzotint with its PyTorch peer, in one run on one machine.
 *
 * <p>Start with {@link org.mezzotint.bench.SideBySide}, the program; {@link org.mezzotint.bench.Side} says how each of the
 * two processes that it drives is started, {@link org.mezzotint.bench.Server} talks to it, {@link
 * org.mezzotint.bench.Statistics} turns pairs of times into a ratio with an interval. {@link org.mezzotint.bench.Sweep}
 * measures one process after the other, over picture sizes.
 *
 * <pre>
 *   SideBySide ─ Server (./mezzotint bench --serve) | Server (dit_peer.py serve) ─ pairs of seconds ─ Statistics ─ table
 * </pre>
 *
 * <p>A machine's speed drifts by more than what is to be measured, so both processes stay alive and take turns step by step:
 * what disturbs one disturbs the other, and only ratios within a pair are compared. One thread drives both, and only one of
 * them works at any time. Nothing here is published or part of the tool; bench/README.md says what each figure means.
 */
package org.mezzotint.bench;
