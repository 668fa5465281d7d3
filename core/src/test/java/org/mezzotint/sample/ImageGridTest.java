package org.mezzotint.sample;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class ImageGridTest {
    /** Every byte of every picture differs from its neighbours and none is white. */
    private static List<byte[]> pictures(int count, int width, int height) {
        List<byte[]> pictures = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            byte[] picture = new byte[width * height * 3];
            for (int k = 0; k < picture.length; k++) {
                picture[k] = (byte) (i * 40 + k);
            }
            pictures.add(picture);
        }
        return pictures;
    }

    @ParameterizedTest
    @CsvSource({"1, 3, 2, 1, 1", "5, 2, 3, 3, 1", "4, 1, 1, 2, 3", "3, 3, 1, 5, 2"})
    void everyPixelIsWhereItBelongsAndTheRestIsWhite(int count, int width, int height, int columns, int enlarge) {
        List<byte[]> pictures = pictures(count, width, height);
        ImageGrid.Sheet sheet = ImageGrid.of(pictures, width, height, columns, enlarge);
        int rows = (count + columns - 1) / columns;
        assertThat(sheet.width()).isEqualTo(2 + columns * (width * enlarge + 2));
        assertThat(sheet.height()).isEqualTo(2 + rows * (height * enlarge + 2));
        assertThat(sheet.rgb()).hasSize(sheet.width() * sheet.height() * 3);
        for (int y = 0; y < sheet.height(); y++) {
            for (int x = 0; x < sheet.width(); x++) {
                int column = (x - 2) / (width * enlarge + 2);
                int row = (y - 2) / (height * enlarge + 2);
                int insideX = (x - 2) % (width * enlarge + 2);
                int insideY = (y - 2) % (height * enlarge + 2);
                int picture = row * columns + column;
                boolean gap =
                        x < 2 || y < 2 || insideX >= width * enlarge || insideY >= height * enlarge || picture >= count;
                for (int c = 0; c < 3; c++) {
                    byte expected = gap
                            ? (byte) 255
                            : pictures.get(picture)[(insideY / enlarge * width + insideX / enlarge) * 3 + c];
                    assertThat(sheet.rgb()[(y * sheet.width() + x) * 3 + c])
                            .as("x %d, y %d, channel %d", x, y, c)
                            .isEqualTo(expected);
                }
            }
        }
    }

    @Test
    void aGridNeedsPicturesColumnsAndAFactor() {
        List<byte[]> pictures = pictures(2, 1, 1);
        String rule = "a grid needs pictures, columns and a factor of at least 1, got ";
        assertThatThrownBy(() -> ImageGrid.of(List.of(), 1, 1, 1, 1))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage(rule + "0, 1 and 1");
        assertThatThrownBy(() -> ImageGrid.of(pictures, 1, 1, 0, 1)).hasMessage(rule + "2, 0 and 1");
        assertThatThrownBy(() -> ImageGrid.of(pictures, 1, 1, 1, 0)).hasMessage(rule + "2, 1 and 0");
    }
}
