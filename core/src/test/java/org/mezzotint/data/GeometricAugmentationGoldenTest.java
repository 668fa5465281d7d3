package org.mezzotint.data;

import static org.assertj.core.api.Assertions.assertThat;

import java.awt.image.BufferedImage;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Map;
import javax.imageio.ImageIO;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.mezzotint.golden.Golden;

class GeometricAugmentationGoldenTest {
    private static double[] part(double[] all, int row, int length) {
        return Arrays.copyOfRange(all, row * length, (row + 1) * length);
    }

    private static float[] floats(double[] values) {
        float[] floats = new float[values.length];
        for (int i = 0; i < floats.length; i++) {
            floats[i] = (float) values[i];
        }
        return floats;
    }

    private static double[] doubles(float[] values) {
        double[] doubles = new double[values.length];
        for (int i = 0; i < doubles.length; i++) {
            doubles[i] = values[i];
        }
        return doubles;
    }

    /** The picture (H, W, C) of 0 to 255 as (C, H, W). */
    private static float[] planes(Golden golden, int channels) {
        double[] interleaved = golden.doubles("in.image");
        int pixels = interleaved.length / channels;
        float[] planes = new float[interleaved.length];
        for (int i = 0; i < planes.length; i++) {
            planes[i] = (float) interleaved[i % pixels * channels + i / pixels];
        }
        return planes;
    }

    /** A warp is linear and its weights sum to 1: that of whole numbers, which float32 holds exactly, is brought to [-1, 1]. */
    private static double[] exactly(float[] bytes, int channels, int height, int width, double[] matrix) {
        CubicLookup lookup = new CubicLookup(bytes, channels, height, width, matrix);
        double[] warped = new double[bytes.length];
        for (int y = 0; y < height; y++) {
            double[] row = lookup.row(y);
            for (int c = 0; c < channels; c++) {
                for (int x = 0; x < width; x++) {
                    warped[(c * height + y) * width + x] = row[c * width + x] / 127.5 - 1;
                }
            }
        }
        return warped;
    }

    @ParameterizedTest
    @ValueSource(strings = {"square-rgb", "nonsquare-gray"})
    void warpsAreThoseOfTheReference(String name) {
        try (Golden golden = Golden.open("augment/" + name)) {
            int channels = (int) golden.get("out.image").size(1);
            int height = (int) golden.get("out.image").size(2);
            int width = (int) golden.get("out.image").size(3);
            int length = channels * height * width;
            GeometricAugmentation augmentation = new GeometricAugmentation(
                    golden.config().get("args").get("a_prob").asDouble());
            int rows = golden.longs("in.bits").length / 2;
            assertThat(rows).isGreaterThanOrEqualTo(10);
            for (int i = 0; i < rows; i++) {
                double[] bits = part(golden.doubles("in.bits"), i, 2);
                GeometricAugmentation.Warp warp = augmentation.warp(
                        new boolean[] {bits[0] == 1, bits[1] == 1},
                        part(golden.doubles("in.u"), i, 7),
                        part(golden.doubles("in.n"), i, 4));
                double exact = golden.tolerance(ScalarType.Double);
                double[] condition = part(golden.doubles("out.cond"), i, GeometricAugmentation.CONDITION_LENGTH);
                Golden.assertClose("condition " + i, warp.condition(), condition, exact);
                double[] matrix = warp.matrix(height, width);
                Golden.assertClose("matrix " + i, matrix, part(golden.doubles("out.matrix"), i, 9), exact);
                double[] image = part(golden.doubles("out.image"), i, length);
                double[] inFloat64 = exactly(planes(golden, channels), channels, height, width, matrix);
                Golden.assertClose("picture " + i + " in float64", inFloat64, image, exact);
                float[] inFloat32 = warp.apply(floats(golden.doubles("out.image_orig")), channels, height, width);
                Golden.assertClose(
                        "picture " + i + " in float32", doubles(inFloat32), image, golden.tolerance(ScalarType.Float));
            }
        }
    }

    @Test
    void probabilityZeroLeavesPicturesAsTheyAreAndTellsNothing(@TempDir Path folder) throws IOException {
        try (Golden golden = Golden.open("augment/disabled")) {
            assertThat(golden.doubles("out.cond")).containsOnly(0); // what absence means to a network
            long[] bytes = golden.longs("in.image");
            BufferedImage image = new BufferedImage(6, 6, BufferedImage.TYPE_3BYTE_BGR);
            for (int i = 0; i < 36; i++) {
                image.setRGB(i % 6, i / 6, (int) (bytes[3 * i] << 16 | bytes[3 * i + 1] << 8 | bytes[3 * i + 2]));
            }
            ByteArrayOutputStream png = new ByteArrayOutputStream();
            ImageIO.write(image, "png", png);
            TestPictures.folder(folder, Map.of("a.png", png.toByteArray()));
            try (Dataset dataset = ImageFolder.open(folder, PictureOptions.rgb(6, 6));
                    BatchLoader loader = new BatchLoader(dataset, 2, 1, 0, 1, BatchLoader.OnBroken.FAIL, 0)) {
                BatchLoader.Batch batch = loader.next();
                assertThat(batch.augmentation()).isEmpty();
                Golden.assertClose(
                        "pictures",
                        doubles(batch.pixels()),
                        golden.doubles("out.image"),
                        golden.tolerance(ScalarType.Float));
            }
        }
    }
}
