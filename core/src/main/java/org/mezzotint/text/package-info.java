/**
 * Sentences to what a model attends to: tokens, and the T5 encoder's hidden states, computed once and kept on disk.
 *
 * <p>Start with {@link org.mezzotint.text.T5Tokenizer} (text to token ids), {@link org.mezzotint.text.T5Encoder} (ids to hidden
 * states, from a Hugging Face folder), {@link org.mezzotint.text.CaptionEncoding} (all captions of a data set into a folder)
 * and {@link org.mezzotint.text.CaptionEmbeddings} (reads such a folder).
 *
 * <pre>
 *   text ─ T5Tokenizer ─ ids ─ T5Encoder ─ (N, T, D)
 *   captions of a data set ─ CaptionEncoding ─ folder: captions.json, 000000.safetensors, … ─ CaptionEmbeddings ─ arrays
 * </pre>
 *
 * <p>The tokenizer is our own reader of SentencePiece unigram models. The bindings to Hugging Face's tokenizers for Java
 * report every use to a server unless a system property forbids it, and read no {@code spiece.model}, the only tokenizer in
 * some folders.
 *
 * <p>Tokenizers are immutable. An encoder owns its weights until it is closed, and several threads may run one at once; what
 * it gives belongs to the caller's scope. {@code CaptionEmbeddings} hands over Java arrays to any thread.
 *
 * <p>Papers: arXiv:1910.10683v4 (T5; its v1.1 is described beside its released weights), arXiv:1804.10959v1 (unigram
 * tokens), arXiv:1808.06226v1 (SentencePiece).
 */
package org.mezzotint.text;
