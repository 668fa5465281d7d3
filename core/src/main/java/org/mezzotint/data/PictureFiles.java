package org.mezzotint.data;

import java.awt.color.ColorSpace;
import java.awt.color.ICC_ColorSpace;
import java.awt.image.BufferedImage;
import java.awt.image.ColorModel;
import java.awt.image.IndexColorModel;
import java.awt.image.Raster;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.Iterator;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.Set;
import javax.imageio.ImageIO;
import javax.imageio.ImageReadParam;
import javax.imageio.ImageReader;
import javax.imageio.ImageTypeSpecifier;
import javax.imageio.stream.ImageInputStream;
import javax.imageio.stream.MemoryCacheImageInputStream;
import org.mezzotint.io.InputException;

/**
 * Decodes JPEG, PNG, WebP, BMP and GIF (its first frame) to 8-bit RGB, as Pillow's {@code convert("RGB")} does: alpha is
 * dropped, 16-bit samples keep their high byte, colour profiles, gamma and EXIF rotation are ignored.
 *
 * <p>The content decides the format, not the file name. The samples are read from the raster: {@code BufferedImage.getRGB}
 * applies a gamma curve to gray pictures and rounds 16-bit ones. PNG, BMP, GIF, lossless WebP and JPEG come out with the
 * bytes of Pillow; lossy WebP differs at the edges of colours, where its reader repeats chroma instead of interpolating it.
 */
public final class PictureFiles {
    /** File name endings of the formats, in lower case, with the dot. */
    public static final Set<String> EXTENSIONS = Set.of(".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif");

    private PictureFiles() {}

    /**
     * A decoded picture, (height, width, 3).
     *
     * @param width W
     * @param height H
     * @param rgb 3·W·H bytes: rows from the top, pixels from the left, red, green, blue
     */
    @SuppressWarnings("ArrayRecordComponent") // a carrier of pixels, never compared
    public record Picture(int width, int height, byte[] rgb) {}

    /**
     * Tells by its ending whether a file is taken for a picture.
     *
     * @param name a file name or path, in any case
     * @return whether it ends in one of {@link #EXTENSIONS}
     */
    public static boolean isPictureName(String name) {
        int dot = name.lastIndexOf('.');
        return dot >= 0 && EXTENSIONS.contains(name.substring(dot).toLowerCase(Locale.ROOT));
    }

    /**
     * Decodes a picture to (height, width, 3).
     *
     * @param name how messages call it
     * @param file the whole file
     * @param maxPixels pictures with more pixels are refused before they are decoded
     * @return the picture
     * @throws InputException if it is too large, broken, cut short or of another format
     */
    public static Picture decode(String name, byte[] file, long maxPixels) {
        String format = format(file);
        if (format == null) {
            throw new InputException(
                    name + (file.length == 0 ? ": the file is empty" : ": not a JPEG, PNG, WebP, BMP or GIF picture"));
        }
        List<ImageReader> readers = readers(format);
        InputException first = null;
        for (ImageReader reader : readers) {
            try {
                return decode(file, maxPixels, reader);
            } catch (RefusedException e) {
                throw new InputException(name + ": " + e.getMessage());
            } catch (IOException | RuntimeException e) {
                // ImageIO's readers throw all sorts of unchecked exceptions on broken files.
                first = first != null ? first : new InputException(name + ": broken " + format + " picture", e);
            } finally {
                reader.dispose();
            }
        }
        throw first != null ? first : new InputException(name + ": no reader for " + format + " pictures is installed");
    }

    /**
     * Reads and decodes a file of its own, outside of any data set.
     *
     * @param file to read
     * @param maxPixels larger pictures are refused before they are decoded
     * @return the picture
     * @throws InputException naming the file, if it cannot be read, is larger than 256 MiB or is no usable picture
     */
    public static Picture read(Path file, long maxPixels) {
        try {
            if (Files.size(file) > PictureSource.MAX_FILE_BYTES) {
                throw new InputException(file + " is too large for a picture: " + Files.size(file)
                        + " bytes, the limit is " + PictureSource.MAX_FILE_BYTES);
            }
            return decode(file.toString(), Files.readAllBytes(file), maxPixels);
        } catch (IOException e) {
            throw new InputException("cannot read " + file + ": " + InputException.reason(e), e);
        }
    }

    /** The picture is refused whichever reader is used. */
    private static final class RefusedException extends IOException {
        private static final long serialVersionUID = 1L;

        RefusedException(String message) {
            super(message);
        }
    }

    private static Picture decode(byte[] file, long maxPixels, ImageReader reader) throws IOException {
        try (ImageInputStream stream = new MemoryCacheImageInputStream(new ByteArrayInputStream(file))) {
            reader.setInput(stream, true, true);
            boolean[] cut = {false};
            reader.addIIOReadWarningListener((source, warning) -> cut[0] |= saysCut(warning));
            int width = reader.getWidth(0);
            int height = reader.getHeight(0);
            long pixels = (long) width * height;
            if (pixels > maxPixels) {
                throw new RefusedException(tooManyPixels(width, height, maxPixels));
            }
            ImageReadParam asStored = reader.getDefaultReadParam();
            storedColours(reader).ifPresent(asStored::setDestinationType);
            BufferedImage image = reader.read(0, asStored);
            if (cut[0]) {
                throw new RefusedException("the file is cut short");
            }
            return new Picture(image.getWidth(), image.getHeight(), rgb(image));
        }
    }

    /** The JDK's JPEG reader converts to sRGB unless one asks for the colours of the file's own profile. */
    private static Optional<ImageTypeSpecifier> storedColours(ImageReader reader) throws IOException {
        for (Iterator<ImageTypeSpecifier> types = reader.getImageTypes(0); types.hasNext(); ) {
            ImageTypeSpecifier type = types.next();
            ColorSpace colours = type.getColorModel().getColorSpace();
            if (colours instanceof ICC_ColorSpace && colours.getNumComponents() == 3 && !colours.isCS_sRGB()) {
                return Optional.of(type);
            }
        }
        return Optional.empty();
    }

    /** Says that a picture is above the limit, for a message that starts with its file. */
    static String tooManyPixels(long width, long height, long maxPixels) {
        return width + "×" + height + " pictures are too large: " + width * height + " pixels, the limit is "
                + maxPixels;
    }

    /** The JDK's JPEG reader returns a half-gray picture for a file cut short, and only warns. */
    private static boolean saysCut(String warning) {
        String text = warning.toLowerCase(Locale.ROOT);
        return text.contains("truncated") || text.contains("premature");
    }

    /** The JDK's readers come first (their JPEG bytes equal Pillow's); the others get what those refuse. */
    private static List<ImageReader> readers(String format) {
        List<ImageReader> readers = new ArrayList<>();
        ImageIO.getImageReadersByFormatName(format).forEachRemaining(readers::add);
        readers.sort(Comparator.comparing(reader -> !reader.getClass().getName().startsWith("com.sun.imageio.")));
        return readers;
    }

    private static String format(byte[] file) {
        if (starts(file, 0, 0xFF, 0xD8, 0xFF)) {
            return "JPEG";
        }
        if (starts(file, 0, 0x89, 'P', 'N', 'G', '\r', '\n', 0x1A, '\n')) {
            return "PNG";
        }
        if (starts(file, 0, 'R', 'I', 'F', 'F') && starts(file, 8, 'W', 'E', 'B', 'P')) {
            return "WebP";
        }
        if (starts(file, 0, 'G', 'I', 'F', '8')) {
            return "GIF";
        }
        return starts(file, 0, 'B', 'M') ? "BMP" : null;
    }

    private static boolean starts(byte[] file, int at, int... magic) {
        if (file.length < at + magic.length) {
            return false;
        }
        for (int i = 0; i < magic.length; i++) {
            if ((file[at + i] & 0xFF) != magic[i]) {
                return false;
            }
        }
        return true;
    }

    private static byte[] rgb(BufferedImage image) {
        Raster raster = image.getRaster();
        ColorModel colours = image.getColorModel();
        int w = raster.getWidth();
        int h = raster.getHeight();
        int bands = raster.getNumBands();
        byte[] rgb = new byte[Math.multiplyExact(3 * w, h)];
        int[] row = new int[bands * w];
        int[] palette = palette(colours);
        for (int y = 0, o = 0; y < h; y++) {
            raster.getPixels(raster.getMinX(), raster.getMinY() + y, w, 1, row);
            if (palette.length > 0) {
                palette(row, palette, rgb, o);
            } else {
                toEightBits(row, raster);
                samples(row, bands, colours.hasAlpha(), rgb, o);
            }
            o += 3 * w;
        }
        return rgb;
    }

    private static void palette(int[] row, int[] palette, byte[] rgb, int o) {
        for (int index : row) {
            int colour = index < palette.length ? palette[index] : 0;
            rgb[o++] = (byte) (colour >> 16);
            rgb[o++] = (byte) (colour >> 8);
            rgb[o++] = (byte) colour;
        }
    }

    /** The colours 0xAARRGGBB of a palette picture, else none. */
    private static int[] palette(ColorModel colours) {
        if (!(colours instanceof IndexColorModel index)) {
            return new int[0];
        }
        int[] palette = new int[index.getMapSize()];
        index.getRGBs(palette);
        return palette;
    }

    private static void toEightBits(int[] row, Raster raster) {
        int bands = raster.getNumBands();
        for (int b = 0; b < bands; b++) {
            int bits = raster.getSampleModel().getSampleSize(b);
            if (bits == 8) {
                continue;
            }
            for (int i = b; i < row.length; i += bands) {
                row[i] = bits > 8 ? row[i] >> (bits - 8) : row[i] * 255 / ((1 << bits) - 1);
            }
        }
    }

    private static void samples(int[] row, int bands, boolean alpha, byte[] rgb, int o) {
        boolean gray = bands < 3;
        boolean cmyk = bands == 4 && !alpha;
        for (int i = 0; i < row.length; i += bands) {
            for (int c = 0; c < 3; c++) {
                int sample = row[gray ? i : i + c];
                if (cmyk) {
                    int light = 255 - row[i + 3];
                    sample = light - Math.round(sample * light / 255f);
                }
                rgb[o++] = (byte) sample;
            }
        }
    }
}
