package org.mezzotint.io;

import java.awt.Transparency;
import java.awt.color.ColorSpace;
import java.awt.image.BufferedImage;
import java.awt.image.ColorModel;
import java.awt.image.ComponentColorModel;
import java.awt.image.DataBuffer;
import java.awt.image.DataBufferByte;
import java.awt.image.Raster;
import java.awt.image.WritableRaster;
import java.io.BufferedInputStream;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.DataInputStream;
import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.Charset;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.zip.CRC32;
import java.util.zip.InflaterInputStream;
import java.util.zip.ZipException;
import javax.imageio.IIOImage;
import javax.imageio.ImageIO;
import javax.imageio.ImageTypeSpecifier;
import javax.imageio.ImageWriter;
import javax.imageio.metadata.IIOMetadata;
import javax.imageio.metadata.IIOMetadataNode;
import javax.imageio.stream.ImageOutputStream;
import javax.imageio.stream.MemoryCacheImageOutputStream;

/** Pictures as PNG, 8 bits per channel, with texts that say how they were made. */
public final class Png {
    private static final String NATIVE_FORMAT = "javax_imageio_png_1.0";
    private static final byte[] SIGNATURE = {(byte) 0x89, 'P', 'N', 'G', '\r', '\n', 0x1A, '\n'};
    /** Bytes of one text; other programs' limits are the same (Pillow: 1 MB each, 64 MB together). */
    private static final int MOST_TEXT = 1 << 20;

    private static final int MOST_TEXTS = 64;

    private Png() {}

    /**
     * Encodes a picture.
     *
     * @param width pixels, at least 1
     * @param height pixels, at least 1
     * @param rgbHwc height × width × 3 bytes, red first, rows from the top
     * @param text keyword to text; a keyword has 1 to 79 printable Latin-1 characters
     * @return the bytes of the PNG file
     * @throws IllegalArgumentException if the number of bytes, a keyword or a text does not fit
     */
    public static byte[] encode(int width, int height, byte[] rgbHwc, Map<String, String> text) {
        if (width < 1 || height < 1 || rgbHwc.length != 3L * width * height) {
            throw new IllegalArgumentException("rgbHwc must have width × height × 3 bytes, got " + width + " × "
                    + height + " and " + rgbHwc.length);
        }
        WritableRaster raster = Raster.createInterleavedRaster(
                new DataBufferByte(rgbHwc, rgbHwc.length), width, height, 3 * width, 3, new int[] {0, 1, 2}, null);
        ColorModel rgb = new ComponentColorModel(
                ColorSpace.getInstance(ColorSpace.CS_sRGB), false, false, Transparency.OPAQUE, DataBuffer.TYPE_BYTE);
        BufferedImage image = new BufferedImage(rgb, raster, false, null);
        ImageWriter writer = ImageIO.getImageWritersByFormatName("png").next();
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        try (ImageOutputStream out = new MemoryCacheImageOutputStream(bytes)) {
            IIOMetadata metadata = writer.getDefaultImageMetadata(new ImageTypeSpecifier(image), null);
            metadata.mergeTree(NATIVE_FORMAT, textNodes(text));
            writer.setOutput(out);
            writer.write(new IIOImage(image, null, metadata));
        } catch (IOException e) {
            throw new IllegalStateException("writing to memory cannot fail", e);
        } finally {
            writer.dispose();
        }
        return bytes.toByteArray();
    }

    /**
     * Writes a picture to a file, which appears complete or not at all.
     *
     * @param target the file; its folder must exist
     * @param width pixels, at least 1
     * @param height pixels, at least 1
     * @param rgbHwc height × width × 3 bytes, red first, rows from the top
     * @param text keyword to text; a keyword has 1 to 79 printable Latin-1 characters
     * @throws IllegalArgumentException if the number of bytes, a keyword or a text does not fit
     * @throws InputException if the file cannot be written
     */
    public static void write(Path target, int width, int height, byte[] rgbHwc, Map<String, String> text) {
        byte[] bytes = encode(width, height, rgbHwc, text);
        AtomicFiles.write(target, out -> out.write(bytes));
    }

    /**
     * Reads the texts of a PNG file, whoever wrote it. Pixels are not decoded.
     *
     * @param file the file
     * @return keyword to text in the file's order; of two with one keyword the last
     * @throws InputException if it is not a PNG file, is damaged, or has a text over 1 MiB or more than 64 of them
     */
    public static Map<String, String> readText(Path file) {
        Map<String, String> texts = new LinkedHashMap<>();
        try (DataInputStream in = new DataInputStream(new BufferedInputStream(Files.newInputStream(file)))) {
            if (!Arrays.equals(in.readNBytes(8), SIGNATURE)) {
                throw new InputException(file + ": this is not a PNG file");
            }
            String type = "";
            for (int found = 0; !type.equals("IEND"); ) {
                int length = in.readInt();
                byte[] name = in.readNBytes(4);
                type = new String(name, StandardCharsets.ISO_8859_1);
                if (length < 0) {
                    throw new InputException(file + ": a chunk must be shorter than 2^31 bytes, got "
                            + Integer.toUnsignedString(length));
                }
                if (type.equals("tEXt") || type.equals("iTXt") || type.equals("zTXt")) {
                    if (length > MOST_TEXT || ++found > MOST_TEXTS) {
                        throw new InputException(file + ": at most " + MOST_TEXTS + " texts of " + MOST_TEXT
                                + " bytes can be read, got " + (length > MOST_TEXT ? length + " bytes" : "more"));
                    }
                    byte[] data = in.readNBytes(length);
                    CRC32 crc = new CRC32();
                    crc.update(name);
                    crc.update(data);
                    if (in.readInt() != (int) crc.getValue()) {
                        throw new InputException(file + ": the checksum of a " + type + " chunk is wrong");
                    }
                    putText(file, type, data, texts);
                } else {
                    in.skipNBytes(length + 4L);
                }
            }
        } catch (EOFException e) {
            throw new InputException(file + ": the PNG file is cut", e);
        } catch (IOException e) {
            throw new InputException(InputException.message("read", file, e), e);
        }
        return texts;
    }

    private static IIOMetadataNode textNodes(Map<String, String> text) {
        IIOMetadataNode latin = new IIOMetadataNode("tEXt");
        IIOMetadataNode international = new IIOMetadataNode("iTXt");
        text.forEach((keyword, value) -> {
            checkKeyword(keyword);
            if (value.indexOf(0) >= 0 || value.length() > MOST_TEXT / 4) {
                throw new IllegalArgumentException("the text of " + keyword + " must have at most " + MOST_TEXT / 4
                        + " characters and no NUL, got " + value.length());
            }
            boolean isLatin = StandardCharsets.ISO_8859_1.newEncoder().canEncode(value);
            IIOMetadataNode node = new IIOMetadataNode(isLatin ? "tEXtEntry" : "iTXtEntry");
            node.setAttribute("keyword", keyword);
            if (isLatin) {
                node.setAttribute("value", value);
                latin.appendChild(node);
            } else {
                node.setAttribute("compressionFlag", "FALSE");
                node.setAttribute("compressionMethod", "0");
                node.setAttribute("languageTag", "");
                node.setAttribute("translatedKeyword", "");
                node.setAttribute("text", value);
                international.appendChild(node);
            }
        });
        IIOMetadataNode root = new IIOMetadataNode(NATIVE_FORMAT);
        for (IIOMetadataNode list : new IIOMetadataNode[] {international, latin}) {
            if (list.hasChildNodes()) {
                root.appendChild(list);
            }
        }
        return root;
    }

    private static void checkKeyword(String keyword) {
        boolean printable = keyword.chars().allMatch(c -> (c >= 32 && c <= 126) || (c >= 161 && c <= 255));
        boolean spaced = keyword.startsWith(" ") || keyword.endsWith(" ") || keyword.contains("  ");
        if (keyword.isEmpty() || keyword.length() > 79 || !printable || spaced) {
            throw new IllegalArgumentException(
                    "a keyword must have 1 to 79 printable Latin-1 characters and single inner" + " spaces, got \""
                            + keyword + "\"");
        }
    }

    /** tEXt = keyword 0 text; zTXt = keyword 0 0 deflated; iTXt = keyword 0 flag 0 language 0 translated 0 text. */
    private static void putText(Path file, String type, byte[] data, Map<String, String> texts) throws IOException {
        int end = nul(file, data, 0);
        String keyword = new String(data, 0, end, StandardCharsets.ISO_8859_1);
        int start = end + 1;
        boolean deflated = type.equals("zTXt");
        Charset charset = StandardCharsets.ISO_8859_1;
        if (type.equals("iTXt")) {
            charset = StandardCharsets.UTF_8;
            deflated = start < data.length && data[start] == 1;
            start = nul(file, data, Math.min(start + 2, data.length)) + 1;
            start = nul(file, data, start) + 1;
        } else if (deflated) {
            start = Math.min(start + 1, data.length);
        }
        byte[] text = Arrays.copyOfRange(data, start, data.length);
        texts.put(keyword, new String(deflated ? inflate(file, text) : text, charset));
    }

    private static int nul(Path file, byte[] data, int from) {
        for (int i = from; i < data.length; i++) {
            if (data[i] == 0) {
                return i;
            }
        }
        throw new InputException(file + ": a text chunk has no end of its keyword");
    }

    private static byte[] inflate(Path file, byte[] data) throws IOException {
        try (InputStream in = new InflaterInputStream(new ByteArrayInputStream(data))) {
            byte[] text = in.readNBytes(MOST_TEXT + 1);
            if (text.length > MOST_TEXT) {
                throw new InputException(file + ": a text must inflate to at most " + MOST_TEXT + " bytes");
            }
            return text;
        } catch (ZipException e) {
            throw new InputException(file + ": a compressed text is damaged", e);
        }
    }
}
