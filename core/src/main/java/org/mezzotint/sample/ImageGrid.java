package org.mezzotint.sample;

import java.util.Arrays;
import java.util.List;

/** Pictures side by side on one sheet. */
public final class ImageGrid {
    private static final int GAP = 2;

    private ImageGrid() {}

    /**
     * A sheet of pictures.
     *
     * @param width in pixels
     * @param height in pixels
     * @param rgb width·height·3 bytes, row by row
     */
    public record Sheet(int width, int height, byte[] rgb) {}

    /**
     * Lays pictures out row by row on white, with narrow gaps, small ones enlarged to whole multiples.
     *
     * @param pictures each height·width·3 bytes
     * @param width of a picture
     * @param height of a picture
     * @param columns pictures a row
     * @param enlarge whole factor, at least 1
     * @return the sheet
     */
    public static Sheet of(List<byte[]> pictures, int width, int height, int columns, int enlarge) {
        if (pictures.isEmpty() || columns < 1 || enlarge < 1) {
            throw new IllegalArgumentException("a grid needs pictures, columns and a factor of at least 1, got "
                    + pictures.size() + ", " + columns + " and " + enlarge);
        }
        int rows = (pictures.size() + columns - 1) / columns;
        int cellWidth = width * enlarge + GAP;
        int cellHeight = height * enlarge + GAP;
        int sheetWidth = Math.addExact(Math.multiplyExact(columns, cellWidth), GAP);
        int sheetHeight = Math.addExact(Math.multiplyExact(rows, cellHeight), GAP);
        byte[] rgb = new byte[Math.multiplyExact(Math.multiplyExact(sheetWidth, sheetHeight), 3)];
        Arrays.fill(rgb, (byte) 255);
        for (int i = 0; i < pictures.size(); i++) {
            byte[] picture = pictures.get(i);
            int left = GAP + (i % columns) * cellWidth;
            int top = GAP + (i / columns) * cellHeight;
            for (int y = 0; y < height * enlarge; y++) {
                for (int x = 0; x < width * enlarge; x++) {
                    int from = ((y / enlarge) * width + x / enlarge) * 3;
                    System.arraycopy(picture, from, rgb, ((top + y) * sheetWidth + left + x) * 3, 3);
                }
            }
        }
        return new Sheet(sheetWidth, sheetHeight, rgb);
    }
}
