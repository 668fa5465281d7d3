package org.mezzotint.app.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.awt.image.BufferedImage;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.zip.CRC32;
import java.util.zip.ZipOutputStream;
import javax.imageio.ImageIO;
import org.apache.commons.compress.archivers.tar.TarArchiveEntry;
import org.apache.commons.compress.archivers.tar.TarArchiveOutputStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.mezzotint.io.Png;

class TrainCommandTest {
    @TempDir
    private Path folder;

    private Path out() {
        return folder.resolve("run");
    }

    private static byte[] encoded(String format, int side) throws IOException {
        BufferedImage image = new BufferedImage(side, side, BufferedImage.TYPE_3BYTE_BGR);
        for (int i = 0; i < side * side; i++) {
            image.setRGB(i % side, i / side, i * 7919);
        }
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        ImageIO.write(image, format, bytes);
        return bytes.toByteArray();
    }

    /** A folder of four classes with two pictures each. */
    private Path pictures() throws IOException {
        Path data = folder.resolve("data");
        for (String name : List.of("a", "b", "c", "d")) {
            Path sub = Files.createDirectories(data.resolve(name));
            Files.write(sub.resolve("1.png"), encoded("png", 8));
            Files.write(sub.resolve("2.jpg"), encoded("jpg", 24));
        }
        return data;
    }

    /** The picture recipe, with no more held-out pictures than a small folder can spare. */
    private Cli trainPictures(Path data, Object... more) {
        Path recipe = Cli.pictureRecipe(folder.resolve("pictures.yaml"), "fail");
        Object[] base = {"train", recipe, "--data", data, "--out", out(), "--set", "validation.images=0"};
        Object[] all = Arrays.copyOf(base, base.length + more.length);
        System.arraycopy(more, 0, all, base.length, more.length);
        return Cli.run(all);
    }

    /** Two shards, each of two samples, of classes 0 to 3; returns the pattern of both. */
    private Path shards() throws IOException {
        for (int shard = 0; shard < 2; shard++) {
            try (TarArchiveOutputStream out =
                    new TarArchiveOutputStream(Files.newOutputStream(folder.resolve("train-0" + shard + ".tar")))) {
                for (int i = 2 * shard; i < 2 * shard + 2; i++) {
                    add(out, i + ".png", encoded("png", 8 + i));
                    add(out, i + ".cls", Integer.toString(i).getBytes(StandardCharsets.UTF_8));
                }
            }
        }
        return folder.resolve("train-{00..01}.tar");
    }

    private static void add(TarArchiveOutputStream tar, String name, byte[] bytes) throws IOException {
        TarArchiveEntry entry = new TarArchiveEntry(name);
        entry.setSize(bytes.length);
        tar.putArchiveEntry(entry);
        tar.write(bytes);
        tar.closeArchiveEntry();
    }

    @Test
    void tarShardsAreTrainedOnAndMustBeTheSameWhenItGoesOn() throws IOException {
        Path data = shards();
        trainPictures(data).ok();
        trainPictures(data, "--resume", "--duration", "96").ok();
        assertThat(out().resolve("checkpoints/000000096/model.safetensors")).exists();
        trainPictures(folder.resolve("train-{01,00}.tar"), "--resume", "--duration", "104")
                .fails(3, "the data set is not the one that the run in " + out());
        trainPictures(folder.resolve("train-{00..02}.tar"))
                .fails(3, "1 of 3 shards are missing, the first is " + folder.resolve("train-02.tar"));
    }

    /** The bytes of a PNG up to its pixels, with a right checksum. */
    private static byte[] pngHeader(int width, int height) {
        byte[] body = ByteBuffer.allocate(17)
                .put("IHDR".getBytes(StandardCharsets.US_ASCII))
                .putInt(width)
                .putInt(height)
                .put(new byte[] {8, 2, 0, 0, 0})
                .array();
        CRC32 crc = new CRC32();
        crc.update(body);
        return ByteBuffer.allocate(45)
                .put(new byte[] {(byte) 0x89, 'P', 'N', 'G', '\r', '\n', 0x1A, '\n'})
                .putInt(13)
                .put(body)
                .putInt((int) crc.getValue())
                .put(new byte[] {0, 0, 0, 0, 'I', 'D', 'A', 'T', 0x35, (byte) 0xAF, 0x06, 0x1E})
                .array();
    }

    @Test
    void aRunWritesItsRecipeLogMetricsEventsCheckpointsAndPreviews() throws IOException {
        Cli run = Cli.run(
                "train", Cli.TINY, "--out", out(), "--set", "previews.count=4", "--set", "previews.everyImages=40");
        assertThat(run.ok().out())
                .contains("libtorch", "saved " + out().resolve("checkpoints/000000088"), "mezzotint sample " + out());
        List<String> files = Cli.files(out());
        assertThat(files)
                .contains(
                        "config.yaml",
                        "log.txt",
                        "metrics.csv",
                        "validation.csv",
                        "samples/000000040.png",
                        "samples/000000088.png")
                .anyMatch(name -> name.startsWith("events.out.tfevents."))
                .noneMatch(name -> name.contains(".tmp"));
        for (String each : List.of("000000072", "000000088")) {
            assertThat(files)
                    .contains(
                            "checkpoints/" + each + "/model.safetensors",
                            "checkpoints/" + each + "/optimizer.safetensors",
                            "checkpoints/" + each + "/progress.json",
                            "checkpoints/" + each + "/checksums.json");
        }
        assertThat(Files.readString(out().resolve("config.yaml"))).contains("count: 4");
        assertThat(Files.readString(out().resolve("log.txt"))).contains("start, seed 5, 88 pictures in all");
        BufferedImage grid = ImageIO.read(out().resolve("samples/000000088.png").toFile());
        assertThat(grid.getWidth()).isGreaterThan(grid.getHeight());
        assertThat(Png.readText(out().resolve("samples/000000088.png"))).containsEntry("images", "88");
    }

    @Test
    void aFinishedRunGoesOnWhenItsDurationIsRaised() throws IOException {
        Cli.run("train", Cli.TINY, "--out", out()).ok();
        Cli.run("train", Cli.TINY, "--out", out(), "--resume", "--duration", "104")
                .ok();
        assertThat(Files.readString(out().resolve("log.txt"))).contains("resume at 88 pictures");
        assertThat(out().resolve("checkpoints/000000104")).isDirectory();
    }

    @Test
    void picturesOfOnesOwnCanBeTrainedOn() throws IOException {
        trainPictures(pictures()).ok();
        assertThat(out().resolve("checkpoints/000000088/model.safetensors")).isRegularFile();
    }

    @Test
    void aMissingRecipeIsNamed() {
        Cli.run("train", "nowhere.yaml", "--out", out()).fails(3, "recipe not found: nowhere.yaml");
        assertThat(out()).doesNotExist();
    }

    @Test
    void anUnknownKeyIsNamedWithTheNearestValidOne() {
        Path recipe = Cli.recipe(folder.resolve("r.yaml"), "batchSize: 8", "batchsize: 8");
        Cli.run("train", recipe, "--out", out())
                .fails(3, "r.yaml: training.batchsize: unknown key", "did you mean \"batchSize\"?");
        assertThat(out()).doesNotExist();
    }

    @Test
    void anOverrideOfAnUnknownKeyIsNamedWithTheNearestValidOne() {
        Cli.run("train", Cli.TINY, "--out", out(), "--set", "training.batchsize=3")
                .fails(3, "training.batchsize", "did you mean \"batchSize\"?");
        Cli.run("train", Cli.TINY, "--out", out(), "--set", "batchSize").fails(2, "--set must be key=value");
        assertThat(out()).doesNotExist();
    }

    @Test
    void anOverrideOfTheWrongKindIsNamed() {
        Cli.run("train", Cli.TINY, "--out", out(), "--set", "training.batchSize=many")
                .fails(3, "training.batchSize: must be a whole number", "many");
        Cli.run("train", Cli.TINY, "--out", out(), "--set", "training.batchSize=0")
                .fails(3, "batchSize must be at least 1, got 0");
    }

    @Test
    void augmentationThatWouldLeakIsRefusedBeforeAFolderIsMade() {
        Cli.run("train", Cli.TINY, "--out", out(), "--set", "data.augmentation=0.12")
                .fails(3, "data.augmentation must be 0 for this model", "its samples would be warped too, got 0.12");
        assertThat(out()).doesNotExist();
    }

    @Test
    void aBadDurationIsWrongUsage() {
        Cli.run("train", Cli.TINY, "--out", out(), "--duration", "nine").fails(2, "--duration", "nine");
    }

    @Test
    void aDataSetIsAskedForWhenTheRecipeNeedsOne() {
        Path recipe = Cli.pictureRecipe(folder.resolve("pictures.yaml"), "fail");
        Cli.run("train", recipe, "--out", out()).fails(2, "--data");
        Cli.run("train", Cli.TINY, "--out", out(), "--data", folder).fails(2, "takes no data set");
        assertThat(out()).doesNotExist();
    }

    @Test
    void aMissingDataSetIsNamed() {
        trainPictures(folder.resolve("nowhere")).fails(3, "data set not found: " + folder.resolve("nowhere"));
        assertThat(out()).doesNotExist();
    }

    @Test
    void aZipWithoutPicturesIsRefused() throws IOException {
        Path zip = folder.resolve("empty.zip");
        new ZipOutputStream(Files.newOutputStream(zip)).close();
        trainPictures(zip).fails(3, "no pictures", "empty.zip");
        assertThat(out()).doesNotExist();
    }

    @Test
    void aFolderWithoutPicturesIsRefused() throws IOException {
        Path data = Files.createDirectories(folder.resolve("data"));
        Files.writeString(data.resolve("notes.txt"), "no picture");
        trainPictures(data).fails(3, "no pictures (.bmp .gif .jpeg .jpg .png .webp) in " + data);
        assertThat(out()).doesNotExist();
    }

    @Test
    void aFileThatIsNoZipIsRefused() throws IOException {
        Path file = Files.writeString(folder.resolve("data.zip"), "no zip");
        trainPictures(file).fails(3, "data.zip: not a readable zip");
    }

    @Test
    void anotherNumberOfClassesIsRefusedBeforeAFolderIsMade() throws IOException {
        trainPictures(pictures(), "--set", "model.numClasses=3")
                .fails(3, "the model has 3 classes, the data set has 4: a, b, c, d");
        assertThat(out()).doesNotExist();
    }

    @Test
    void aJpegThatIsCutShortIsNamed() throws IOException {
        Path broken = pictures().resolve("c/2.jpg");
        byte[] whole = encoded("jpg", 24);
        Files.write(broken, Arrays.copyOf(whole, whole.length - 60));
        trainPictures(folder.resolve("data")).fails(3, broken + ": the file is cut short");
        assertThat(Cli.files(out())).noneMatch(name -> name.contains(".tmp"));
    }

    @Test
    void brokenPicturesCanBeSkippedAndAreCounted() throws IOException {
        Path broken = pictures().resolve("c/2.jpg");
        Files.write(broken, Arrays.copyOf(encoded("jpg", 24), 300));
        Path recipe = Cli.pictureRecipe(folder.resolve("pictures.yaml"), "skip");
        Cli run = Cli.run(
                "train",
                recipe,
                "--data",
                folder.resolve("data"),
                "--out",
                out(),
                "--set",
                "validation.images=0",
                "--set",
                "checkpoints.everyImages=1000");
        assertThat(run.ok().out()).contains("broken pictures skipped so far: " + broken);
    }

    @Test
    void aPictureThatWouldUnpackToGigabytesIsRefused() throws IOException {
        Path huge = pictures().resolve("b/huge.png");
        Files.write(huge, pngHeader(50_000, 50_000));
        trainPictures(folder.resolve("data"))
                .fails(3, huge + ": 50000×50000 pictures are too large", "the limit is 100000000");
    }

    @Test
    void anotherRecipeCannotGoOnWithARun() {
        Cli.run("train", Cli.TINY, "--out", out()).ok();
        List<String> before = Cli.files(out());
        Cli.run("train", Cli.TINY, "--out", out(), "--resume", "--set", "training.learningRate=0.5")
                .fails(3, "the recipe is not the one", "training was", "0.5");
        assertThat(Cli.files(out())).isEqualTo(before);
    }

    @Test
    void anotherDataSetCannotGoOnWithARun() throws IOException {
        Path data = pictures();
        trainPictures(data).ok();
        Files.delete(data.resolve("a/1.png"));
        trainPictures(data, "--resume").fails(3, "the data set is not the one that the run in " + out());
    }

    @Test
    void aFolderThatHoldsARunIsNotOverwrittenAndOneWithoutCannotBeResumed() {
        Cli.run("train", Cli.TINY, "--out", out(), "--resume").fails(3, "no run found in " + out());
        assertThat(out()).doesNotExist();
        Cli.run("train", Cli.TINY, "--out", out()).ok();
        Cli.run("train", Cli.TINY, "--out", out()).fails(3, "already holds a run", "--resume");
    }

    @Test
    void aFileWhereTheRunsFolderShouldBeIsRefused() throws IOException {
        Path file = Files.writeString(folder.resolve("file"), "kept");
        Cli.run("train", Cli.TINY, "--out", file).fails(3, "cannot make the run directory " + file);
        Cli.run("train", Cli.TINY, "--out", file.resolve("run")).fails(3, "cannot make the run directory", "file/run");
        assertThat(file).hasContent("kept");
    }

    @Test
    void aBatchThatDoesNotFitIntoMemoryIsRefusedBeforeAFolderIsMade() {
        Cli.run("train", Cli.TINY, "--out", out(), "--set", "training.batchSize=100000000")
                .fails(3, "a batch of 100000000 pictures needs about", "lower training.batchSize");
        assertThat(out()).doesNotExist();
    }

    @Test
    void moreHeldOutPicturesThanThereAreIsRefused() {
        Cli.run("train", Cli.TINY, "--out", out(), "--set", "validation.images=30")
                .fails(3, "validation.images must be below the number of pictures, got 30 of 30");
        assertThat(out()).doesNotExist();
    }

    @Test
    void divergedTrainingHasItsOwnExitCodeAndNamesTheStep() {
        Cli.run("train", Cli.TINY, "--out", out(), "--set", "training.learningRate=1e30")
                .fails(4, "at step");
    }
}
