package org.mezzotint.io;

import java.awt.image.BufferedImage;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import javax.imageio.IIOImage;
import javax.imageio.ImageIO;
import javax.imageio.ImageTypeSpecifier;
import javax.imageio.ImageWriter;
import javax.imageio.metadata.IIOMetadata;
import javax.imageio.metadata.IIOMetadataNode;
import javax.imageio.stream.ImageOutputStream;
import javax.imageio.stream.MemoryCacheImageOutputStream;

/** Animations as GIF, which repeat for ever. A frame has at most 256 colours: pictures with more lose a little. */
public final class Gif {
    private static final String NATIVE_FORMAT = "javax_imageio_gif_image_1.0";
    private static final int LARGEST_SIDE = 65_535;
    private static final byte[] FOR_EVER = {1, 0, 0};

    private Gif() {}

    /**
     * Writes an animation to a file, which appears complete or not at all.
     *
     * @param target the file; its folder must exist
     * @param width pixels, 1 to 65535
     * @param height pixels, 1 to 65535
     * @param frames each height × width × 3 bytes, red first, rows from the top; at least one
     * @param delayHundredths how long a frame stays, in hundredths of a second, 1 to 65535
     * @throws IllegalArgumentException if a size or a number of bytes does not fit
     * @throws InputException if the file cannot be written
     */
    public static void write(Path target, int width, int height, List<byte[]> frames, int delayHundredths) {
        if (width < 1 || height < 1 || width > LARGEST_SIDE || height > LARGEST_SIDE) {
            throw new IllegalArgumentException(
                    "a GIF's sides must be 1 to " + LARGEST_SIDE + ", got " + width + " and " + height);
        }
        if (delayHundredths < 1 || delayHundredths > LARGEST_SIDE) {
            throw new IllegalArgumentException(
                    "delayHundredths must be 1 to " + LARGEST_SIDE + ", got " + delayHundredths);
        }
        if (frames.isEmpty()) {
            throw new IllegalArgumentException("an animation needs frames");
        }
        for (byte[] frame : frames) {
            if (frame.length != 3L * width * height) {
                throw new IllegalArgumentException("each frame must have width × height × 3 bytes, got " + width + " × "
                        + height + " and " + frame.length);
            }
        }
        byte[] bytes = encode(width, height, frames, delayHundredths);
        AtomicFiles.write(target, out -> out.write(bytes));
    }

    private static byte[] encode(int width, int height, List<byte[]> frames, int delay) {
        ImageWriter writer = ImageIO.getImageWritersByFormatName("gif").next();
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        try (ImageOutputStream out = new MemoryCacheImageOutputStream(bytes)) {
            writer.setOutput(out);
            writer.prepareWriteSequence(null);
            for (byte[] frame : frames) {
                BufferedImage image = image(width, height, frame);
                IIOMetadata metadata = writer.getDefaultImageMetadata(new ImageTypeSpecifier(image), null);
                metadata.setFromTree(NATIVE_FORMAT, controlled(metadata, delay));
                writer.writeToSequence(new IIOImage(image, null, metadata), null);
            }
            writer.endWriteSequence();
        } catch (IOException e) {
            throw new IllegalStateException("writing to memory cannot fail", e);
        } finally {
            writer.dispose();
        }
        return bytes.toByteArray();
    }

    private static BufferedImage image(int width, int height, byte[] rgb) {
        BufferedImage image = new BufferedImage(width, height, BufferedImage.TYPE_INT_RGB);
        int[] pixels = new int[width * height];
        for (int i = 0; i < pixels.length; i++) {
            pixels[i] = (rgb[3 * i] & 0xFF) << 16 | (rgb[3 * i + 1] & 0xFF) << 8 | (rgb[3 * i + 2] & 0xFF);
        }
        image.setRGB(0, 0, width, height, pixels, 0, width);
        return image;
    }

    /** A frame's metadata with its delay, and the extension by which browsers repeat. */
    private static IIOMetadataNode controlled(IIOMetadata metadata, int delay) {
        IIOMetadataNode root = (IIOMetadataNode) metadata.getAsTree(NATIVE_FORMAT);
        child(root, "ImageDescriptor").setAttribute("interlaceFlag", "FALSE"); // ImageIO misreads low interlaced frames
        IIOMetadataNode control = child(root, "GraphicControlExtension");
        control.setAttribute("disposalMethod", "none");
        control.setAttribute("userInputFlag", "FALSE");
        control.setAttribute("transparentColorFlag", "FALSE");
        control.setAttribute("transparentColorIndex", "0");
        control.setAttribute("delayTime", Integer.toString(delay));
        IIOMetadataNode repeat = new IIOMetadataNode("ApplicationExtension");
        repeat.setAttribute("applicationID", "NETSCAPE");
        repeat.setAttribute("authenticationCode", "2.0");
        repeat.setUserObject(FOR_EVER.clone());
        child(root, "ApplicationExtensions").appendChild(repeat);
        return root;
    }

    private static IIOMetadataNode child(IIOMetadataNode root, String name) {
        for (int i = 0; i < root.getLength(); i++) {
            if (root.item(i).getNodeName().equals(name)) {
                return (IIOMetadataNode) root.item(i);
            }
        }
        IIOMetadataNode node = new IIOMetadataNode(name);
        root.appendChild(node);
        return node;
    }
}
