package org.mezzotint.data;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.Arrays;
import java.util.Locale;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.mezzotint.data.Transforms.Filter;

class TransformsTest {
    @ParameterizedTest
    @ValueSource(strings = {"a", "b", "gray-like"})
    void resizingGivesTheBytesOfPillow(String name) {
        Golden golden = Golden.safetensors("resize/pil-" + name + ".safetensors");
        byte[] input = golden.array("in.image_hwc_u8");
        int height = golden.config().get("height").intValue();
        int width = golden.config().get("width").intValue();
        for (JsonNode target : golden.config().get("targets_hxw")) {
            int toH = target.get(0).intValue();
            int toW = target.get(1).intValue();
            for (Filter filter : Filter.values()) {
                String key = "out.pil_" + filter.name().toLowerCase(Locale.ROOT) + "." + toH + "x" + toW;
                byte[] resized = Transforms.resizePil(input, width, height, toW, toH, filter);
                assertThat(resized).as(key).isEqualTo(golden.array(key));
            }
        }
    }

    @Test
    void centerCropGivesTheBytesOfAdmAndDiT() {
        Golden golden = Golden.safetensors("resize/center-crop.safetensors");
        for (JsonNode crop : golden.config().get("crops")) {
            int number = crop.get("case").intValue();
            int size = crop.get("size").intValue();
            byte[] cropped = Transforms.centerCrop(
                    golden.array("in." + number + ".image_hwc_u8"),
                    crop.get("width").intValue(),
                    crop.get("height").intValue(),
                    size,
                    size);
            assertThat(cropped).as("case " + number).isEqualTo(golden.array("out." + number + ".adm_center_crop"));
        }
    }

    @Test
    void edmCropGivesTheBytesOfItsDatasetTool() {
        Golden golden = Golden.safetensors("resize/center-crop.safetensors");
        for (JsonNode crop : golden.config().get("crops")) {
            int number = crop.get("case").intValue();
            int size = crop.get("size").intValue();
            byte[] cropped = Transforms.centerCropEdm(
                    golden.array("in." + number + ".image_hwc_u8"),
                    crop.get("width").intValue(),
                    crop.get("height").intValue(),
                    size,
                    size);
            assertThat(cropped).as("case " + number).isEqualTo(golden.array("out." + number + ".edm_center_crop"));
        }
    }

    @Test
    void croppingFromPngFilesGivesTheSameBytes() {
        Golden golden = Golden.safetensors("resize/center-crop.safetensors");
        for (JsonNode crop : golden.config().get("crops")) {
            String file = crop.get("input").textValue();
            PictureFiles.Picture picture = PictureFiles.decode(file, Golden.bytes("resize/" + file), 1_000_000);
            assertThat(picture.rgb())
                    .as(file)
                    .isEqualTo(golden.array("in." + crop.get("case").intValue() + ".image_hwc_u8"));
        }
    }

    @Test
    void pictureOfTheRightSizeIsNotTouched() {
        byte[] picture = random(6, 4);
        assertThat(Transforms.centerCrop(picture, 6, 4, 6, 4)).isSameAs(picture);
        assertThat(Transforms.resizePil(picture, 6, 4, 6, 4, Filter.LANCZOS)).isSameAs(picture);
    }

    @Test
    void nonSquareCropCoversTheTargetThenCutsTheCentre() {
        byte[] picture = random(20, 30);
        // 20×30 to 16×8: 16/20 is the larger scale, so the picture becomes 16×24 and rows 8 to 15 stay.
        byte[] whole = Transforms.resizePil(picture, 20, 30, 16, 24, Filter.BICUBIC);
        byte[] middle = Arrays.copyOfRange(whole, 3 * 16 * 8, 3 * 16 * 16);
        assertThat(Transforms.centerCrop(picture, 20, 30, 16, 8)).isEqualTo(middle);
    }

    @Test
    void onlyOneSideChangesWhenTheOtherFits() {
        byte[] picture = random(10, 9);
        byte[] cropped = Transforms.centerCrop(picture, 10, 9, 7, 9);
        for (int y = 0; y < 9; y++) {
            for (int b = 0; b < 21; b++) {
                assertThat(cropped[21 * y + b]).isEqualTo(picture[30 * y + 3 + b]);
            }
        }
    }

    @Test
    void thinPictureIsEnlargedWithoutBuildingTheWholeEnlargement() {
        int length = 20_000_000;
        byte[] picture = new byte[3 * length];
        picture[3 * (length / 2)] = (byte) 200;
        byte[] cropped = Transforms.centerCrop(picture, length, 1, 64, 64);
        assertThat(cropped).hasSize(3 * 64 * 64);
        assertThat(cropped[3 * 63] & 0xFF).isPositive();
        assertThat(Transforms.centerCrop(picture, 1, length, 64, 64)).hasSize(3 * 64 * 64);
    }

    @Test
    void filtersDifferFromEachOther() {
        byte[] picture = random(16, 16);
        for (Filter a : Filter.values()) {
            for (Filter b : Filter.values()) {
                if (a != b) {
                    assertThat(Transforms.resizePil(picture, 16, 16, 11, 5, a))
                            .isNotEqualTo(Transforms.resizePil(picture, 16, 16, 11, 5, b));
                }
            }
        }
    }

    @Test
    void refusesAnArrayOfAnotherSize() {
        assertThatIllegalArgumentException()
                .isThrownBy(() -> Transforms.centerCrop(new byte[11], 2, 2, 1, 1))
                .withMessage("a 2×2 RGB picture has 12 bytes, got 11");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> Transforms.resizePil(new byte[12], 2, 2, 0, 1, Filter.BOX))
                .withMessage("sides must be at least 1, got [2, 2, 0, 1]");
    }

    private static byte[] random(int width, int height) {
        byte[] picture = new byte[3 * width * height];
        new SplittableRandom(5).nextBytes(picture);
        return picture;
    }
}
