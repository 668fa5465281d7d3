/**
 * From a configuration and pictures to a trained model on disk.
 *
 * <p>Start with {@link org.mezzotint.train.TrainConfig} (a whole recipe), {@link org.mezzotint.train.Trainer} (the loop),
 * {@link org.mezzotint.train.TrainState} (all that a resumed run needs, with {@link org.mezzotint.train.AdamW} and the
 * average of the weights), {@link org.mezzotint.train.RunDirectory} (where runs and checkpoints lie) and
 * {@link org.mezzotint.train.TrainListener} (who watches: logs, metrics, previews).
 *
 * <pre>
 *   TrainConfig + Dataset ─ Trainer ─ TrainState ─ RunDirectory/checkpoints/N ─ model.safetensors (a ModelBundle)
 *                    │         └ TrainListener: log.txt, metrics.csv, event file, previews
 *                    └ RunDirectory/snapshots ─ PostHocEma ─ a ModelBundle with an average of another length
 * </pre>
 *
 * <p>Time is counted in pictures. Every random number of picture n follows from (seed, n), so batch size, accumulation
 * and interruptions do not change what the network sees (but where noise levels are stratified over a batch, its size does), and a resumed run continues to the last bit: order of the
 * pictures, noise, levels, dropped labels, weights, moments and averages.
 *
 * <p>A trainer and its state belong to one thread; listeners are called on it. The package knows neither samplers nor
 * metrics of quality: those are listeners that the application adds.
 */
package org.mezzotint.train;
