/**
 * How good are generated pictures? Distances between sets of pictures, measured so that numbers can be put beside a paper's.
 *
 * <p>Start with {@link org.mezzotint.eval.Evaluation} (which numbers), {@link org.mezzotint.eval.Inception} (FID's network,
 * one {@link org.mezzotint.eval.FeatureExtractor}; a user's own one is {@link org.mezzotint.eval.OwnExtractor}), {@link org.mezzotint.eval.ResizeMode} (how pictures reach it),
 * {@link org.mezzotint.eval.ReferenceStats} (files of statistics) and {@link org.mezzotint.eval.Protocol} (what a paper did).
 *
 * <pre>
 *   PictureSet ─ ResizeMode ─ FeatureExtractor ─ Extraction ┐
 *                               npz, safetensors ─ FeatureFile ─ FeatureStats ─ FrechetDistance ─ EvaluationResult
 *                                                            └ KernelDistance, InceptionScore, PrecisionRecall
 * </pre>
 *
 * <p>A number says nothing without the number of pictures, the reference, the network's weights and the resize mode, so
 * {@link org.mezzotint.eval.EvaluationResult} carries them. Linear algebra runs in float64; networks in float32.
 *
 * <p>Everything here belongs to one thread at a time. Tensors that a method returns belong to the caller's scope; extractors
 * and feature sets own their memory and are closed by whoever opened them. This package sees pictures, never a sampler.
 *
 * <p>Papers: FID arXiv:1706.08500, sFID arXiv:2103.03841, KID arXiv:1801.01401, Inception Score arXiv:1606.03498, precision
 * and recall arXiv:1904.06991, density and coverage arXiv:2002.09797, resizing arXiv:2104.11222.
 */
package org.mezzotint.eval;
