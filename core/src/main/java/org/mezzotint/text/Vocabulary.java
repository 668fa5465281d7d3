package org.mezzotint.text;

import java.util.List;
import java.util.Map;

/**
 * What a tokenizer's file says.
 *
 * @param source the file, for messages
 * @param pieces by id
 * @param specials texts that are one id wherever they stand, such as {@code </s>} and {@code <extra_id_0>}
 * @param charsMap {@code precompiled_charsmap}
 * @param pad id behind the end of shorter texts
 * @param end id that ends every text
 * @param unknown id of what is no piece
 * @param prefixAfterSpecials whether a text that follows a special one begins with ▁ even if no space stands there
 */
record Vocabulary(
        String source,
        List<Unigram.Piece> pieces,
        Map<String, Integer> specials,
        byte[] charsMap,
        int pad,
        int end,
        int unknown,
        boolean prefixAfterSpecials) {
    static final String PAD = "<pad>";
    static final String END = "</s>";
    static final int MOST_PIECES = 1 << 21;
}
