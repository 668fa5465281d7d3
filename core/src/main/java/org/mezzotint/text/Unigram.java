package org.mezzotint.text;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * The most probable way to cut a text into pieces, each of which has a probability of its own (arXiv:1804.10959v1, section
 * 3.2): the path of the largest sum of scores, found by dynamic programming.
 *
 * <p>A character that is no piece is an unknown one, 10 less probable than the least probable piece; neighbouring unknown
 * characters become one id. Sums are float32 as SentencePiece's, which decides between cuts that differ by rounding only; among
 * equal ones the path whose last piece begins first wins.
 */
final class Unigram {
    private static final float UNKNOWN_PENALTY = 10;

    private final Map<String, Integer> ids = new HashMap<>();
    private final float[] scores;
    private final int unknown;
    private final float unknownScore;
    private final int longest;

    /**
     * One piece.
     *
     * @param text with ▁ for spaces
     * @param score logarithm of its probability
     * @param normal whether text may be cut into it; not for control symbols
     */
    record Piece(String text, float score, boolean normal) {}

    /** Pieces by id; of two of one text the first counts. */
    Unigram(List<Piece> pieces, int unknown) {
        this.unknown = unknown;
        scores = new float[pieces.size()];
        float least = 0;
        int most = 1;
        for (int id = 0; id < scores.length; id++) {
            Piece piece = pieces.get(id);
            scores[id] = piece.score();
            if (piece.normal() && !piece.text().isEmpty()) {
                ids.putIfAbsent(piece.text(), id);
                least = Math.min(least, piece.score());
                most = Math.max(most, piece.text().length());
            }
        }
        longest = most;
        unknownScore = least - UNKNOWN_PENALTY;
    }

    /** The ids of a text in which ▁ stands for spaces. */
    int[] encode(String text) {
        int n = text.length();
        float[] best = new float[n + 1];
        int[] from = new int[n + 1];
        int[] id = new int[n + 1];
        Arrays.fill(from, -1);
        for (int start = 0; start < n; ) {
            int character = Character.charCount(text.codePointAt(start));
            boolean single = false;
            for (int end = start + character; end <= Math.min(n, start + longest); end = next(text, end)) {
                Integer piece = ids.get(text.substring(start, end));
                if (piece != null) {
                    single |= end == start + character;
                    step(best, from, id, start, end, piece, scores[piece]);
                }
            }
            if (!single) {
                step(best, from, id, start, start + character, unknown, unknownScore);
            }
            start += character;
        }
        return path(from, id, n);
    }

    /** The end of the character after one that ends here; past the text behind the last. */
    private static int next(String text, int end) {
        return end < text.length() ? end + Character.charCount(text.codePointAt(end)) : end + 1;
    }

    private static void step(float[] best, int[] from, int[] id, int start, int end, int piece, float score) {
        float sum = best[start] + score;
        if (from[end] < 0 || sum > best[end]) {
            best[end] = sum;
            from[end] = start;
            id[end] = piece;
        }
    }

    private int[] path(int[] from, int[] id, int n) {
        List<Integer> reversed = new ArrayList<>();
        for (int end = n; end > 0; end = from[end]) {
            boolean fused = id[end] == unknown && !reversed.isEmpty() && reversed.get(reversed.size() - 1) == unknown;
            if (!fused) {
                reversed.add(id[end]);
            }
        }
        int[] path = new int[reversed.size()];
        for (int i = 0; i < path.length; i++) {
            path[i] = reversed.get(path.length - 1 - i);
        }
        return path;
    }
}
