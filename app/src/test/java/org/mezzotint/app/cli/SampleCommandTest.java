package org.mezzotint.app.cli;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.awt.image.BufferedImage;
import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.zip.ZipFile;
import javax.imageio.ImageIO;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.mezzotint.diffusion.SamplingConfig;
import org.mezzotint.io.Png;

class SampleCommandTest {
    @TempDir
    private static Path shared;

    @TempDir
    private Path folder;

    private static Path run;
    private static Path weak;
    private static Path preconditioned;

    @BeforeAll
    static void train() {
        run = shared.resolve("run");
        // long enough for class and average to show in a picture
        Cli.run("train", Cli.TINY, "--out", run, "--duration", "400", "--set", "training.learningRate=0.01")
                .ok();
        weak = shared.resolve("weak");
        Cli.run("train", Cli.TINY, "--out", weak, "--duration", "80").ok();
        preconditioned = shared.resolve("preconditioned");
        Cli.run("train", Cli.TINY_HDIT, "--out", preconditioned).ok();
    }

    private static Path bundle() {
        return run.resolve("checkpoints/000000400/model.safetensors");
    }

    private static byte[] pixels(BufferedImage image) {
        byte[] rgb = new byte[3 * image.getWidth() * image.getHeight()];
        for (int i = 0; i < rgb.length / 3; i++) {
            int pixel = image.getRGB(i % image.getWidth(), i / image.getWidth());
            rgb[3 * i] = (byte) (pixel >> 16);
            rgb[3 * i + 1] = (byte) (pixel >> 8);
            rgb[3 * i + 2] = (byte) pixel;
        }
        return rgb;
    }

    private static byte[] pixels(Path png) throws IOException {
        return pixels(ImageIO.read(png.toFile()));
    }

    private static int largestDifference(byte[] a, byte[] b) {
        assertThat(a).hasSameSizeAs(b);
        int most = 0;
        for (int i = 0; i < a.length; i++) {
            most = Math.max(most, Math.abs((a[i] & 0xFF) - (b[i] & 0xFF)));
        }
        return most;
    }

    @Test
    void aFolderGetsPicturesNamedBySeedThatSayHowTheyWereDrawn() throws IOException {
        Path out = folder.resolve("drawn");
        Cli.run(
                        "sample",
                        run,
                        "--seeds",
                        "0-2,40",
                        "--classes",
                        "3,1",
                        "--guidance",
                        "2.5",
                        "--steps",
                        "4",
                        "--out",
                        out)
                .ok();
        assertThat(Cli.files(out)).containsExactly("000000.png", "000001.png", "000002.png", "000040.png");
        assertThat(Png.readText(out.resolve("000040.png")))
                .containsEntry("seed", "40")
                .containsEntry("class", "1")
                .containsEntry("steps", "4")
                .containsEntry("guidance", "2.5")
                .containsEntry("solver", "ddim")
                .containsKey("model");
        assertThat(pixels(out.resolve("000000.png"))).hasSize(3 * 8 * 8);
        assertThat(pixels(out.resolve("000000.png"))).isNotEqualTo(pixels(out.resolve("000002.png")));
    }

    @Test
    void aZipGetsTheSamePicturesAndTheirLabels() throws IOException {
        Path zip = folder.resolve("drawn.zip");
        Cli.run("sample", run, "--seeds", "5-7", "--classes", "2,0", "--out", zip)
                .ok();
        Cli.run("sample", run, "--seeds", "5-7", "--classes", "2,0", "--out", folder.resolve("drawn"))
                .ok();
        try (ZipFile file = new ZipFile(zip.toFile())) {
            JsonNode labels = new ObjectMapper().readTree(file.getInputStream(file.getEntry("dataset.json")));
            assertThat(labels).hasToString("{\"labels\":[[\"000005.png\",2],[\"000006.png\",0],[\"000007.png\",2]]}");
            for (String name : List.of("000005.png", "000006.png", "000007.png")) {
                try (InputStream in = file.getInputStream(file.getEntry(name))) {
                    assertThat(pixels(ImageIO.read(in)))
                            .isEqualTo(pixels(folder.resolve("drawn").resolve(name)));
                }
            }
        }
    }

    @Test
    void anNpzGetsPicturesAndClassesAsArrays() throws IOException {
        Path npz = folder.resolve("drawn.npz");
        Cli.run("sample", run, "--seeds", "5-7", "--classes", "2,0", "--out", npz)
                .ok();
        Cli.run("sample", run, "--seeds", "5-7", "--classes", "2,0", "--out", folder.resolve("drawn"))
                .ok();
        try (ZipFile file = new ZipFile(npz.toFile())) {
            byte[] pictures = file.getInputStream(file.getEntry("arr_0.npy")).readAllBytes();
            byte[] classes = file.getInputStream(file.getEntry("arr_1.npy")).readAllBytes();
            assertThat(new String(pictures, StandardCharsets.ISO_8859_1)).contains("'|u1'", "(3, 8, 8, 3)");
            int length = 3 * 8 * 8;
            byte[] second = Arrays.copyOfRange(pictures, pictures.length - 2 * length, pictures.length - length);
            assertThat(second).isEqualTo(pixels(folder.resolve("drawn/000006.png")));
            ByteBuffer labels =
                    ByteBuffer.wrap(classes, classes.length - 24, 24).order(ByteOrder.LITTLE_ENDIAN);
            assertThat(new long[] {labels.getLong(), labels.getLong(), labels.getLong()})
                    .containsExactly(2, 0, 2);
        }
    }

    @Test
    void aGridHasAllPicturesOnOneSheet() throws IOException {
        Path grid = folder.resolve("grid.png");
        Cli.run("sample", run, "--seeds", "0-7", "--grid", grid).ok();
        BufferedImage sheet = ImageIO.read(grid.toFile());
        assertThat(sheet.getWidth()).isGreaterThan(4 * 8);
        assertThat(sheet.getHeight()).isGreaterThan(2 * 8).isLessThan(sheet.getWidth());
        assertThat(Png.readText(grid)).containsEntry("seeds", "0-7");
    }

    @Test
    void thePictureOfASeedDoesNotDependOnTheBatch() throws IOException {
        Path one = folder.resolve("one");
        Path five = folder.resolve("five");
        Cli.run("sample", run, "--seeds", "0-9", "--classes", "1", "--batch", "1", "--out", one)
                .ok();
        Cli.run("sample", run, "--seeds", "0-9", "--classes", "1", "--batch", "5", "--out", five)
                .ok();
        for (String name : Cli.files(one)) {
            assertThat(largestDifference(pixels(one.resolve(name)), pixels(five.resolve(name))))
                    .as(name)
                    .isLessThanOrEqualTo(1);
        }
    }

    @Test
    void everyOptionChangesThePicture() throws IOException {
        byte[] base = drawn();
        for (List<String> option : List.of(
                List.of("--classes", "2"),
                List.of("--solver", "ddpm"),
                List.of("--eta", "0.7"),
                List.of("--steps", "9"),
                List.of("--guidance", "4"),
                List.of("--weights", "raw"))) {
            assertThat(drawn(option.toArray(String[]::new)))
                    .as(option.toString())
                    .isNotEqualTo(base);
        }
    }

    private int drawings;

    private byte[] drawn(String... options) throws IOException {
        Path out = folder.resolve("drawing" + drawings++);
        Object[] all = Arrays.copyOf(new Object[] {"sample", run, "--seeds", "3", "--out", out}, 6 + options.length);
        System.arraycopy(options, 0, all, 6, options.length);
        Cli.run(all).ok();
        return pixels(out.resolve("000003.png"));
    }

    @Test
    void aCheckpointsFolderAndABundleCanBeNamedToo() throws IOException {
        Path out = folder.resolve("a");
        Cli.run("sample", run.resolve("checkpoints/000000400"), "--seeds", "3", "--out", out)
                .ok();
        Cli.run("sample", bundle(), "--seeds", "3", "--out", folder.resolve("b"))
                .ok();
        assertThat(pixels(out.resolve("000003.png"))).isEqualTo(pixels(folder.resolve("b/000003.png")));
    }

    @Test
    void infoSaysWhatARunOrABundleCosts() {
        assertThat(Cli.run("info", run).ok().out()).contains("input 3x8x8");
        assertThat(Cli.run("info", bundle()).ok().out()).contains("input 3x8x8");
    }

    @Test
    void aClassOutOfRangeIsWrongUsageAndNothingIsWritten() {
        Path out = folder.resolve("drawn");
        Cli.run("sample", run, "--classes", "0,4", "--out", out).fails(2, "--classes must be 0 to 3", "got 4");
        assertThat(out).doesNotExist();
    }

    @ParameterizedTest
    @ValueSource(strings = {"a", "5-1", "-3", "1,,2", "", "0-99999999", "1-2-3", "9999999999999999999"})
    void badSeedsAreWrongUsage(String seeds) {
        Path out = folder.resolve("drawn");
        Cli.run("sample", run, "--seeds=" + seeds, "--out", out).fails(2, "--seeds must");
        assertThat(out).doesNotExist();
    }

    @Test
    void badSettingsAreWrongUsage() {
        Path out = folder.resolve("drawn");
        Cli.run("sample", run).fails(2, "--out", "--grid");
        Cli.run("sample", run, "--out", out, "--batch", "0").fails(2, "--batch must be at least 1");
        Cli.run("sample", run, "--out", out, "--steps", "0").fails(2, "--steps", "at least one step, got 0");
        Cli.run("sample", run, "--out", out, "--steps", "101").fails(2, "101");
        Cli.run("sample", run, "--out", out, "--steps", "fast").fails(2, "--steps: spacing must be a number", "fast");
        Cli.run("sample", run, "--out", out, "--eta", "2").fails(2, "eta must be 0 to 1, got 2");
        Cli.run("sample", run, "--out", out, "--guidance", "NaN").fails(2, "guidance", "NaN");
        Cli.run("sample", run, "--out", out, "--guided-channels", "two").fails(2, "--guided-channels", "two");
        assertThat(out).doesNotExist();
    }

    @Test
    void aBatchThatDoesNotFitIntoMemoryIsRefused() {
        Path out = folder.resolve("drawn");
        Cli.run("sample", run, "--out", out, "--batch", "2000000000")
                .fails(3, "a batch of 2000000000", "lower --batch");
        assertThat(out).doesNotExist();
    }

    @Test
    void aMissingModelIsNamed() {
        Cli.run("sample", folder.resolve("nowhere"), "--out", folder.resolve("drawn"))
                .fails(3, "model not found: " + folder.resolve("nowhere"));
        Cli.run("sample", folder, "--out", folder.resolve("drawn")).fails(3, "no run found in " + folder);
    }

    @Test
    void aRunWithoutACheckpointIsNamed() throws IOException {
        Path young = Files.createDirectories(folder.resolve("young"));
        Files.copy(run.resolve("config.yaml"), young.resolve("config.yaml"));
        Cli.run("sample", young, "--out", folder.resolve("drawn")).fails(3, "has no checkpoint yet");
    }

    @Test
    void aDamagedBundleIsNamed() throws IOException {
        byte[] whole = Files.readAllBytes(bundle());
        Path cut = folder.resolve("cut.safetensors");
        Files.write(cut, Arrays.copyOf(whole, whole.length - 100));
        Path headerless = folder.resolve("headerless.safetensors");
        Files.write(headerless, Arrays.copyOfRange(whole, 9, whole.length));
        Path empty = Files.createFile(folder.resolve("empty.safetensors"));
        Path out = folder.resolve("drawn");
        for (Path file : List.of(cut, headerless, empty)) {
            Cli.run("sample", file, "--out", out).fails(3, file.toString());
        }
        assertThat(out).doesNotExist();
    }

    @Test
    void anOutputThatCannotBeWrittenIsRefusedBeforeDrawing() throws IOException {
        Path file = Files.writeString(folder.resolve("file"), "kept");
        Cli.run("sample", run, "--out", file).fails(3, "cannot make the folder " + file);
        for (String name : List.of("x.zip", "x.npz")) {
            Cli.run("sample", run, "--out", file.resolve(name)).fails(3, "cannot write", name);
            Cli.run("sample", run, "--out", folder.resolve("nowhere").resolve(name))
                    .fails(3, "cannot write", "no folder " + folder.resolve("nowhere"));
        }
        Cli drawn =
                Cli.run("sample", run, "--out", folder.resolve("drawn"), "--grid", folder.resolve("nowhere/grid.png"));
        drawn.fails(3, "cannot write", "nowhere");
        assertThat(Cli.files(folder)).containsExactly("file");
        assertThat(file).hasContent("kept");
    }

    @ParameterizedTest
    @EnumSource(SamplingConfig.Solver.class)
    void everySolverDrawsPicturesThatDependOnTheSeedAlone(SamplingConfig.Solver solver) throws IOException {
        Path several = folder.resolve("several");
        Path one = folder.resolve("one");
        Cli.run("sample", run, "--solver", solver.label(), "--steps", "6", "--seeds", "3-5", "--out", several)
                .ok();
        Cli.run(
                        "sample",
                        run,
                        "--solver",
                        solver.label(),
                        "--steps",
                        "6",
                        "--seeds",
                        "4",
                        "--classes",
                        "1",
                        "--out",
                        one)
                .ok();
        assertThat(Png.readText(one.resolve("000004.png"))).containsEntry("solver", solver.label());
        // the float32 sums of another batch size may round a pixel differently
        assertThat(largestDifference(pixels(one.resolve("000004.png")), pixels(several.resolve("000004.png"))))
                .isLessThanOrEqualTo(2);
        assertThat(pixels(several.resolve("000003.png"))).isNotEqualTo(pixels(several.resolve("000005.png")));
    }

    @Test
    void levelsChangeThePictures() throws IOException {
        List<byte[]> drawn = new ArrayList<>();
        for (List<Object> levels : List.<List<Object>>of(
                List.of("--levels", "karras"),
                List.of("--levels", "karras", "--rho", "3"),
                List.of("--levels", "exponential"),
                List.of("--levels", "polyexponential", "--rho", "2"),
                List.of("--levels", "schedule"),
                List.of("--levels", "vp"),
                List.of("--solver", "ddim", "--levels", "karras"),
                List.of("--levels", "karras", "--round-times"),
                List.of("--sigma-max", "5"),
                List.of("--sigma-min", "0.3"))) {
            Path out = folder.resolve("levels" + drawn.size());
            List<Object> command =
                    new ArrayList<>(List.of("sample", run, "--steps", "5", "--seeds", "1", "--out", out));
            if (!levels.contains("--solver")) {
                command.addAll(List.of("--solver", "dpmpp-2m"));
            }
            command.addAll(levels);
            Cli.run(command.toArray()).ok();
            byte[] picture = pixels(out.resolve("000001.png"));
            assertThat(drawn).noneMatch(other -> Arrays.equals(other, picture));
            drawn.add(picture);
        }
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', textBlock = """
                    --solver dpmp-2m                    | --solver: unknown solver dpmp-2m, did you mean "dpmpp-2m"?
                    --solver euler --eta 0.5            | solver euler takes no eta, got 0.5
                    --solver heun --steps 0             | --steps: the number of steps of heun must be 1 to 999999, got '0'
                    --solver heun --steps ddim5         | --steps: the number of steps of heun must be 1 to 999999, got 'ddim5'
                    --solver heun --steps 5 --guidance-interval 3 | --guidance-interval must be two noise levels, such as 0.28,2.9, got 1
                    --solver heun --steps 5 --guidance-interval 3,1 | the interval of guidance must have 0 <= sigmaMin < sigmaMax
                    --guidance-interval 1,3 --guidance-power 4 | give --guidance-interval or --guidance-power, not both
                    --guidance-power 0                  | power must be above 0, got 0.0
                    --guidance 1 --guidance-power 2     | --guidance-power needs a --guidance other than 1
                    --guidance 1 --guidance-interval 1,2 | --guidance-interval needs a --guidance other than 1
                    --round-times                       | --round-times is for levels between those of the schedule, which ddim does not visit
                    --solver dpm-adaptive --steps 0     | --steps: the number of steps of dpm-adaptive must be 1 to 999999, got '0'
                    --solver heun --levels karas        | --levels: unknown levels karas, did you mean "karras"?
                    --solver heun --levels vp --rho 2   | --rho is for karras and polyexponential only, got vp
                    --solver heun --sigma-min 9 --sigma-max 1 | sigmaMin must be above 0 and below sigmaMax, got 9.0 and 1.0
                    --solver heun --rho 0.001           | noise levels must be finite and fall, got NaN
                    --solver dpm-fast --steps 1         | --steps: the number of steps of dpm-fast must be at least 2, got 1
                    """)
    void settingsThatDoNotGoTogetherAreOneLine(String options, String message) {
        List<Object> command = new ArrayList<>(List.of("sample", run, "--out", folder.resolve("none")));
        command.addAll(List.of((Object[]) options.split(" ")));
        Cli.run(command.toArray()).fails(2, message);
        assertThat(folder.resolve("none")).doesNotExist();
    }

    @Test
    void guidanceDependsOnTheNoiseLevelAndOnTheGuide() throws IOException {
        List<byte[]> drawn = new ArrayList<>();
        for (List<Object> options : List.<List<Object>>of(
                List.of("--guidance", "1"),
                List.of("--guidance", "4"),
                List.of("--guidance", "4", "--guidance-interval", "0.3,3"),
                List.of("--guidance", "4", "--guidance-power", "2"),
                List.of("--guidance", "4", "--guide", weak))) {
            Path out = folder.resolve("guided" + drawn.size());
            List<Object> command =
                    new ArrayList<>(List.of("sample", run, "--steps", "5", "--seeds", "1", "--out", out));
            command.addAll(options);
            Cli.run(command.toArray()).ok();
            byte[] picture = pixels(out.resolve("000001.png"));
            assertThat(drawn).noneMatch(other -> Arrays.equals(other, picture));
            drawn.add(picture);
        }
    }

    /** A guide that is the model itself guides nowhere: y + s·(y − y). */
    @Test
    void theModelItselfIsNoGuide() throws IOException {
        for (Object guide : List.of("", run)) {
            List<Object> command = new ArrayList<>(List.of(
                    "sample",
                    run,
                    "--solver",
                    "heun",
                    "--round-times",
                    "--steps",
                    "5",
                    "--seeds",
                    "1",
                    "--out",
                    folder.resolve("by" + guide.hashCode())));
            command.addAll(
                    guide.equals("") ? List.of("--guidance", "1") : List.of("--guidance", "3", "--guide", guide));
            Cli.run(command.toArray()).ok();
        }
        assertThat(largestDifference(
                        pixels(folder.resolve("by" + "".hashCode()).resolve("000001.png")),
                        pixels(folder.resolve("by" + run.hashCode()).resolve("000001.png"))))
                .isLessThanOrEqualTo(1);
    }

    @Test
    void aGuideNeedsAScale() {
        Cli.run("sample", run, "--guidance", "1", "--guide", run, "--out", folder.resolve("none"))
                .fails(2, "--guide needs a --guidance other than 1");
        Cli.run("sample", run, "--guidance", "2", "--guide", "nowhere", "--out", folder.resolve("none"))
                .fails(3, "model not found: nowhere");
        Cli.run("sample", run, "--guidance", "2", "--guide", preconditioned, "--out", folder.resolve("none"))
                .fails(3, "--guide must be trained like the model", "has another diffusion section");
    }

    @ParameterizedTest
    @ValueSource(strings = {"ddim", "ddpm", "heun", "dpmpp-2m"})
    void aModelTrainedWithoutAScheduleDrawsWithAnySolver(String solver) throws IOException {
        Path out = folder.resolve("drawn");
        Cli.run("sample", preconditioned, "--solver", solver, "--steps", "4", "--seeds", "0-1", "--out", out)
                .ok();
        assertThat(Png.readText(out.resolve("000001.png")))
                .containsEntry("solver", solver)
                .hasEntrySatisfying("grid", grid -> assertThat(grid).contains("karras", "160.0"));
        assertThat(pixels(out.resolve("000000.png"))).isNotEqualTo(pixels(out.resolve("000001.png")));
    }

    @Test
    void aModelTrainedWithoutAScheduleHasNoLevelsOfItsOwn() {
        Cli.run("sample", preconditioned, "--round-times", "--out", folder.resolve("none"))
                .fails(2, "roundTimes is for models of a discrete schedule only");
        Cli.run("sample", preconditioned, "--levels", "schedule", "--out", folder.resolve("none"))
                .fails(2, "a preconditioned model was trained without a schedule: take another grid, such as karras");
    }

    private static final String FLOW =
            "diffusion={type: flow-matching, interpolant: linear, time: {type: logit-normal, mean: 0.0, std: 1.0}, shift: 1.5, convention: to-noise}";
    private static final String PRECONDITIONED =
            "diffusion={type: preconditioned, sigmaData: 0.5, sigmaMin: 0.01, sigmaMax: 80.0, density: {type: log-normal, mean: -1.2,"
                    + " std: 1.2}, weighting: {type: edm}, scales: 2}";
    private static final String SCHEDULED =
            "diffusion={type: scheduled, schedule: {type: cosine, logSnrMin: -15.0, logSnrMax: 15.0}, parameterization: v, variance:"
                    + " fixed-small, loss: mse, weighting: {type: uniform}}";

    /** Both models, each trained in the two ways that are not its own. */
    @ParameterizedTest
    @CsvSource({"true, flow", "true, preconditioned", "false, flow", "false, scheduled"})
    void everyModelTrainsInEveryWay(boolean dit, String way) throws IOException {
        Path trained = folder.resolve("run");
        String diffusion = way.equals("flow") ? FLOW : way.equals("scheduled") ? SCHEDULED : PRECONDITIONED;
        String grid = way.equals("preconditioned")
                ? "sampling.grid={type: karras, sigmaMin: 0.01, sigmaMax: 80.0, rho: 7.0}"
                : "sampling.grid={type: schedule}";
        Cli.run(
                        "train",
                        dit ? Cli.TINY : Cli.TINY_HDIT,
                        "--out",
                        trained,
                        "--duration",
                        "48",
                        "--set",
                        diffusion,
                        "--set",
                        grid,
                        "--set",
                        "sampling.solver=ddim",
                        "--set",
                        "sampling.eta=0.0")
                .ok();
        for (String solver : List.of("ddim", "heun", "flow-heun", "flow-sde")) {
            Path out = folder.resolve(solver);
            Cli.run("sample", trained, "--solver", solver, "--steps", "4", "--seeds", "1-2", "--out", out)
                    .ok();
            assertThat(pixels(out.resolve("000001.png"))).isNotEqualTo(pixels(out.resolve("000002.png")));
        }
    }
}
