package org.mezzotint.examples;

import static org.assertj.core.api.Assertions.assertThat;

import java.awt.image.BufferedImage;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.SplittableRandom;
import javax.imageio.ImageIO;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.mezzotint.io.Png;
import org.mezzotint.models.ModelBundle;
import org.mezzotint.train.RunDirectory;

/** Runs every example as a reader would, and looks at what it leaves behind. */
class ExamplesTest {
    @TempDir
    private static Path folder;

    private static Path run;

    @BeforeAll
    static void train() throws IOException {
        run = folder.resolve("run");
        TrainShapes.main(new String[] {run.toString()});
    }

    @Test
    void trainShapesLeavesABundleOfTheRecipesModel() throws IOException {
        try (ModelBundle bundle = ModelBundle.open(RunDirectory.find(run).newestBundle())) {
            assertThat(bundle.config().numClasses()).isEqualTo(9);
            assertThat(bundle.hasEma()).isTrue();
        }
    }

    @Test
    void sampleBundleDrawsRedGreenAndBlueCirclesAndARedSquare() throws IOException {
        SampleBundle.main(new String[] {run.toString()});
        int[] strongest = {0, 1, 2, 0};
        for (int i = 0; i < strongest.length; i++) {
            Path file = run.resolve("drawn/class-" + i + ".png");
            assertThat(Png.readText(file)).containsEntry("guidance", "3.0");
            long[] sums = channelSums(ImageIO.read(file.toFile()));
            for (int c = 0; c < 3; c++) {
                assertThat(sums[strongest[i]]).as("class %d, channel %d", i, c).isGreaterThanOrEqualTo(sums[c]);
            }
        }
    }

    private static long[] channelSums(BufferedImage picture) {
        assertThat(picture.getWidth()).isEqualTo(16);
        assertThat(picture.getHeight()).isEqualTo(16);
        long[] sums = new long[3];
        for (int y = 0; y < 16; y++) {
            for (int x = 0; x < 16; x++) {
                for (int c = 0; c < 3; c++) {
                    sums[c] += picture.getRaster().getSample(x, y, c);
                }
            }
        }
        return sums;
    }

    @Test
    void aServiceGivesTheSamePictureOnManyThreadsAsOnOne() throws Exception {
        EmbedInService.main(new String[] {run.toString()});
        try (EmbedInService alone = new EmbedInService(RunDirectory.find(run).newestBundle())) {
            for (int i = 0; i < 8; i++) {
                byte[] png = alone.png(i, i);
                assertThat(Files.readAllBytes(run.resolve("served/" + i + ".png")))
                        .isEqualTo(png);
            }
        }
    }

    @Test
    void customDataGivePicturesInRangeAndARun() throws IOException {
        Gradients gradients = new Gradients(4, 8, 8);
        float[] first = new float[3 * 8 * 8];
        float[] again = new float[3 * 8 * 8];
        gradients.read(2, new SplittableRandom(1), first, 0);
        gradients.read(2, new SplittableRandom(2), again, 0);
        assertThat(first).isEqualTo(again);
        for (float value : first) {
            assertThat(value).isBetween(-1f, 1f);
        }
        assertThat(gradients.fingerprint()).matches("[0-9a-f]{64}").isNotEqualTo(new Gradients(5, 8, 8).fingerprint());

        Path out = folder.resolve("gradients");
        CustomDataset.main(new String[] {out.toString()});
        assertThat(RunDirectory.find(out).newestBundle()).isRegularFile();
    }
}
