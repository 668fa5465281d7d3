/**
 * How to use the library, one idea a class, each with a {@code main} that takes a folder.
 *
 * <p>Start with {@link org.mezzotint.examples.TrainShapes}, then {@link org.mezzotint.examples.SampleBundle} on the same
 * folder; {@link org.mezzotint.examples.EmbedInService} draws from several threads, {@link
 * org.mezzotint.examples.CustomDataset} trains on data of one's own.
 *
 * <pre>
 *   TrainShapes ─ run folder ─ SampleBundle | EmbedInService ─ PNG files
 * </pre>
 *
 * <p>{@code examples/run NAME FOLDER} builds and runs one of them. They run on the thread that calls {@code main}, except
 * where they say otherwise, and close what they open.
 */
package org.mezzotint.examples;
