/**
 * Where pictures come from: data sets, the crop that brings them to one size, and endless shuffled batches.
 *
 * <p>Start with {@link org.mezzotint.data.Datasets#open} (a folder or a zip of pictures, tar shards, or
 * MNIST's files) or {@link org.mezzotint.data.ShapesDataset} (drawn on the fly, needs no files), hold pictures back with
 * {@link org.mezzotint.data.Subset#split}, and read with {@link org.mezzotint.data.BatchLoader}.
 *
 * <pre>
 *   folder | zip | tar | idx | shapes ─ decode ─ crop ─ flip ─ Dataset.read: float[C·H·W] in [-1, 1] ─ warp ─ BatchLoader.next
 * </pre>
 *
 * <p>Every {@link org.mezzotint.data.Dataset} may be read by many threads at once. A {@link org.mezzotint.data.BatchLoader}
 * owns its threads and belongs to the one thread that calls {@code next}; it does not own the data set. A batch belongs to
 * whoever received it. Whoever opens a data set closes it; a {@link org.mezzotint.data.Subset} never closes what it views.
 *
 * <p>Which picture comes as number n, and how it is flipped or warped
 * ({@link org.mezzotint.data.GeometricAugmentation}), depends on the seed and on n alone: never on the number of threads,
 * the batch size or where the loader was opened.
 *
 * <p>Decoding gives what Pillow's {@code convert("RGB")} gives (alpha dropped, no EXIF rotation, no colour management), and
 * resizing gives the bytes of Pillow up to version 12, so that pictures equal those of the published PyTorch data pipelines.
 * Pictures here are Java arrays: nothing in this package touches libtorch.
 */
package org.mezzotint.data;
