package org.mezzotint.data;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.JsonNode;
import java.awt.color.ColorSpace;
import java.awt.color.ICC_Profile;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import java.util.stream.StreamSupport;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.mezzotint.io.InputException;

class PictureFilesTest {
    private static final long LIMIT = PictureOptions.DEFAULT_MAX_PIXELS;
    private static final Golden EXPECTED = Golden.safetensors("formats/expected.safetensors");

    static List<String> decodable() {
        return files("decode", "decode-or-refuse")
                .filter(name -> !name.contains("out-of-range") && !name.endsWith("lossy.webp"))
                .toList();
    }

    static List<String> refused() {
        return files("refuse").toList();
    }

    private static Stream<String> files(String... must) {
        return StreamSupport.stream(
                        Golden.json("formats/manifest.json").get("files").spliterator(), false)
                .filter(entry -> Arrays.asList(must).contains(entry.get("must").textValue()))
                .map(entry -> entry.get("file").textValue())
                .filter(name -> name.startsWith("images/"));
    }

    private static JsonNode entry(String file) {
        return StreamSupport.stream(
                        Golden.json("formats/manifest.json").get("files").spliterator(), false)
                .filter(entry -> entry.get("file").textValue().equals(file))
                .findFirst()
                .orElseThrow();
    }

    private static PictureFiles.Picture decode(String file) {
        return PictureFiles.decode(file, Golden.bytes("formats/" + file), LIMIT);
    }

    @ParameterizedTest
    @MethodSource("decodable")
    void decodesToTheBytesOfPillow(String file) {
        JsonNode entry = entry(file);
        String expected = entry.get("expect").textValue();
        PictureFiles.Picture picture = decode(file);
        assertThat(picture.height()).isEqualTo(EXPECTED.dimension(expected, 0));
        assertThat(picture.width()).isEqualTo(EXPECTED.dimension(expected, 1));
        assertThat(farthest(picture.rgb(), EXPECTED.array(expected)))
                .isLessThanOrEqualTo(tolerance(entry.path("tolerance").asText()));
    }

    private static int tolerance(String text) {
        Matcher max = Pattern.compile("^max (\\d+)").matcher(text);
        return max.find() ? Integer.parseInt(max.group(1)) : 0;
    }

    private static int farthest(byte[] a, byte[] b) {
        assertThat(a).hasSameSizeAs(b);
        int farthest = 0;
        for (int i = 0; i < a.length; i++) {
            farthest = Math.max(farthest, Math.abs((a[i] & 0xFF) - (b[i] & 0xFF)));
        }
        return farthest;
    }

    /** The reader repeats chroma samples where libwebp interpolates them, so only the brightness can be equal. */
    @Test
    void lossyWebpHasTheBrightnessOfPillow() {
        byte[] expected = EXPECTED.array("out.image.lossy.webp");
        byte[] rgb = decode("images/lossy.webp").rgb();
        assertThat(rgb).hasSameSizeAs(expected);
        double difference = 0;
        for (int i = 0; i < rgb.length; i += 3) {
            difference += Math.abs(luma(rgb, i) - luma(expected, i)) / (rgb.length / 3.0);
        }
        assertThat(difference).isLessThan(0.6);
    }

    private static double luma(byte[] rgb, int i) {
        return 0.299 * (rgb[i] & 0xFF) + 0.587 * (rgb[i + 1] & 0xFF) + 0.114 * (rgb[i + 2] & 0xFF);
    }

    @ParameterizedTest
    @MethodSource("refused")
    void brokenFileIsRefusedInOneLineThatNamesIt(String file) {
        assertThatExceptionOfType(InputException.class)
                .isThrownBy(() -> decode(file))
                .satisfies(
                        e -> assertThat(e.getMessage()).startsWith(file + ": ").doesNotContain("\n"));
    }

    @Test
    void cmykJpegIsExact() {
        assertThat(decode("images/cmyk.jpg").rgb()).isEqualTo(EXPECTED.array("out.image.cmyk.jpg"));
    }

    @Test
    void indicesBeyondThePaletteAreBlackOrRefused() {
        try {
            PictureFiles.Picture picture = decode("images/palette-index-out-of-range.png");
            assertThat(picture.rgb()).hasSize(3 * picture.width() * picture.height());
        } catch (InputException e) {
            assertThat(e).hasMessageStartingWith("images/palette-index-out-of-range.png: ");
        }
    }

    @Test
    void sizeIsCheckedBeforeDecoding() {
        byte[] bomb = TestPictures.pngHeader(50_000, 50_000);
        assertThatExceptionOfType(InputException.class)
                .isThrownBy(() -> PictureFiles.decode("photo.png", bomb, LIMIT))
                .withMessage("photo.png: 50000×50000 pictures are too large: 2500000000 pixels, the limit is 89478485");
    }

    @Test
    void limitIsConfigurable() {
        byte[] bomb = Golden.bytes("formats/images/bomb-compressed.png");
        assertThatExceptionOfType(InputException.class)
                .isThrownBy(() -> PictureFiles.decode("b.png", bomb, 4_000_000))
                .withMessage("b.png: 5000×4003 pictures are too large: 20015000 pixels, the limit is 4000000");
        byte[] small = TestPictures.png(9, 7, 1);
        assertThat(PictureFiles.decode("s.png", small, 63).width()).isEqualTo(9);
        assertThatExceptionOfType(InputException.class).isThrownBy(() -> PictureFiles.decode("s.png", small, 62));
    }

    @Test
    void jpegCutShortIsAnError() {
        byte[] whole = TestPictures.jpeg(64, 48, 1);
        assertThat(PictureFiles.decode("a.jpg", whole, LIMIT).width()).isEqualTo(64);
        for (int length : new int[] {whole.length / 2, whole.length * 9 / 10, whole.length - 2}) {
            assertThatExceptionOfType(InputException.class)
                    .isThrownBy(() -> PictureFiles.decode("a.jpg", Arrays.copyOf(whole, length), LIMIT))
                    .withMessage("a.jpg: the file is cut short");
        }
    }

    @Test
    void everyOtherFormatCutShortIsAnErrorToo() {
        for (String name : List.of("rgb8.png", "lossless.webp", "lossy.webp", "animated.gif", "rgb24.bmp")) {
            byte[] whole = Golden.bytes("formats/images/" + name);
            byte[] cut = Arrays.copyOf(whole, whole.length / (name.equals("animated.gif") ? 4 : 2));
            assertThatThrownBy(() -> PictureFiles.decode(name, cut, LIMIT))
                    .as(name)
                    .isInstanceOf(InputException.class);
        }
    }

    @Test
    void emptyFileAndOtherContentAreTold() {
        assertThatThrownBy(() -> PictureFiles.decode("a.png", new byte[0], LIMIT))
                .hasMessage("a.png: the file is empty");
        assertThatThrownBy(() -> PictureFiles.decode("a.png", new byte[] {'%', 'P', 'D', 'F'}, LIMIT))
                .hasMessage("a.png: not a JPEG, PNG, WebP, BMP or GIF picture");
    }

    @Test
    void endingIsReadInAnyCaseAndAnyLocale() {
        assertThat(List.of("a.png", "A.JPG", "b.Jpeg", "c.WEBP", "d.GIF", "e.bmp", "x.y.png"))
                .allMatch(PictureFiles::isPictureName);
        assertThat(List.of("png", "a.txt", "a.png.txt", "a", "")).noneMatch(PictureFiles::isPictureName);
    }

    /** Pillow's convert("RGB") does not look at the profile; the JDK's reader would turn the samples into sRGB. */
    @Test
    void aColourProfileChangesNothing() throws IOException {
        byte[] plain = Golden.bytes("formats/images/rgb-420.jpg");
        byte[] profile = ICC_Profile.getInstance(ColorSpace.CS_LINEAR_RGB).getData();
        byte[] tag = "ICC_PROFILE\0\1\1".getBytes(StandardCharsets.ISO_8859_1);
        ByteArrayOutputStream tagged = new ByteArrayOutputStream();
        int start = 2 + 2 + (((plain[4] & 0xFF) << 8) + (plain[5] & 0xFF)); // behind the JFIF segment
        tagged.write(plain, 0, start);
        int length = 2 + tag.length + profile.length;
        tagged.write(new byte[] {(byte) 0xFF, (byte) 0xE2, (byte) (length >> 8), (byte) length});
        tagged.write(tag);
        tagged.write(profile);
        tagged.write(plain, start, plain.length - start);
        assertThat(PictureFiles.decode("tagged", tagged.toByteArray(), LIMIT).rgb())
                .isEqualTo(PictureFiles.decode("plain", plain, LIMIT).rgb());
    }
}
