package org.mezzotint.diffusion;

import java.util.TreeSet;

/**
 * Which of a schedule's T levels a shorter chain keeps, by the rules of improved DDPM's code (arXiv:2102.09672, section 4):
 *
 * <ul>
 *   <li>{@code ""}: all;
 *   <li>{@code "250"}: so many, evenly from the first to the last, half-way cases rounded to even;
 *   <li>{@code "10,15,20"}: the range cut in equal sections, so many from each;
 *   <li>{@code "ddim50"}: so many with the smallest whole stride that gives exactly that number;
 *   <li>{@code "leading50"}, {@code "leading50+1"}: so many with the stride T/50 rounded down, from 0 or from an offset, as
 *       Hugging Face's diffusers has it.
 * </ul>
 */
public final class Respacing {
    private Respacing() {}

    /**
     * Chooses levels.
     *
     * @param steps T of the schedule
     * @param spacing one of the forms above
     * @return the kept levels, increasing
     * @throws IllegalArgumentException if the spacing does not fit T
     */
    public static int[] timesteps(int steps, String spacing) {
        if (spacing.isEmpty()) {
            return java.util.stream.IntStream.range(0, steps).toArray();
        }
        if (spacing.matches("ddim[0-9]{1,9}")) {
            return strided(steps, Integer.parseInt(spacing.substring(4)));
        }
        if (spacing.matches("leading[0-9]{1,9}(\\+[0-9]{1,9})?")) {
            String[] parts = spacing.substring("leading".length()).split("\\+", 2);
            return leading(steps, Integer.parseInt(parts[0]), parts.length > 1 ? Integer.parseInt(parts[1]) : 0);
        }
        if (!spacing.matches("[0-9]{1,9}(,[0-9]{1,9})*")) {
            throw new IllegalArgumentException(
                    "spacing must be a number, numbers with commas, ddimN or leadingN, got '" + spacing + "'");
        }
        return sections(steps, spacing.split(",", -1));
    }

    private static int[] strided(int steps, int wanted) {
        for (int stride = 1; stride < steps; stride++) {
            if ((steps + stride - 1) / stride == wanted) {
                int[] kept = new int[wanted];
                for (int i = 0; i < wanted; i++) {
                    kept[i] = i * stride;
                }
                return kept;
            }
        }
        throw new IllegalArgumentException("no whole stride gives exactly " + wanted + " of " + steps + " steps");
    }

    private static int[] leading(int steps, int wanted, int offset) {
        if (wanted < 1 || wanted > steps || (long) (wanted - 1) * (steps / wanted) + offset >= steps) {
            throw new IllegalArgumentException(
                    "leading" + wanted + "+" + offset + " does not fit into " + steps + " steps");
        }
        int[] kept = new int[wanted];
        for (int i = 0; i < wanted; i++) {
            kept[i] = i * (steps / wanted) + offset;
        }
        return kept;
    }

    private static int[] sections(int steps, String[] counts) {
        int size = steps / counts.length;
        int extra = steps % counts.length;
        int start = 0;
        TreeSet<Integer> kept = new TreeSet<>();
        for (int i = 0; i < counts.length; i++) {
            int length = size + (i < extra ? 1 : 0);
            int count = Integer.parseInt(counts[i]);
            if (count > length) {
                throw new IllegalArgumentException("cannot take " + count + " steps from a section of " + length
                        + " (of " + steps + " steps in " + counts.length + " sections)");
            }
            double stride = count <= 1 ? 1 : (length - 1) / (double) (count - 1);
            double at = 0;
            for (int k = 0; k < count; k++) {
                kept.add(start + (int) Math.rint(at)); // rint rounds half-way cases to even
                at += stride; // accumulated as in the reference: its rounding errors decide half-way cases
            }
            start += length;
        }
        if (kept.isEmpty()) {
            throw new IllegalArgumentException("spacing must keep at least one step, got " + String.join(",", counts));
        }
        return kept.stream().mapToInt(Integer::intValue).toArray();
    }
}
