package org.mezzotint.app.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import java.awt.image.BufferedImage;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.SplittableRandom;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import javax.imageio.ImageIO;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.mezzotint.data.Dataset;
import org.mezzotint.data.Datasets;
import org.mezzotint.data.PictureOptions;
import org.mezzotint.data.ShapesDataset;
import org.mezzotint.diffusion.DiffusionConfig;
import org.mezzotint.diffusion.Network;
import org.mezzotint.models.Model;
import org.mezzotint.models.ModelBundle;
import org.mezzotint.models.layers.Tape;
import org.mezzotint.sample.LogLikelihood;
import org.mezzotint.tensor.Conditioning;
import org.mezzotint.tensor.Devices;
import org.mezzotint.tensor.Precision;
import org.mezzotint.tensor.Rng;
import org.mezzotint.tensor.Scope;
import org.mezzotint.tensor.Tensors;
import org.mezzotint.train.ModelNetwork;
import org.mezzotint.train.RunDirectory;

class LikelihoodCommandTest {
    private static final String HEADER = "index,class,log_likelihood_nats,bits_per_dimension,name";

    @TempDir
    private static Path shared;

    @TempDir
    private Path folder;

    private static Path run;
    private static Path data;

    /** A short run, and two pictures of each of the four classes that it saw. */
    @BeforeAll
    static void train() throws IOException {
        run = shared.resolve("run");
        Cli.run("train", Cli.TINY, "--out", run, "--duration", "400", "--set", "training.learningRate=0.01")
                .ok();
        data = shared.resolve("data");
        try (ShapesDataset shapes = new ShapesDataset(30, 8, 8, 2, 2, 3)) {
            int[] written = new int[4];
            for (int i = 0; i < shapes.size(); i++) {
                int label = (int) shapes.label(i);
                if (written[label]++ < 2) {
                    float[] pixels = new float[3 * 64];
                    shapes.read(i, new SplittableRandom(0), pixels, 0);
                    Path sub = Files.createDirectories(data.resolve("class" + label));
                    writePng(sub.resolve("shape, \"" + i + "\".png"), pixels);
                }
            }
        }
    }

    private static void writePng(Path file, float... pixels) throws IOException {
        BufferedImage image = new BufferedImage(8, 8, BufferedImage.TYPE_3BYTE_BGR);
        for (int i = 0; i < 64; i++) {
            int rgb = 0;
            for (int c = 0; c < 3; c++) {
                rgb = rgb << 8 | Math.round((pixels[64 * c + i] + 1) * 127.5f);
            }
            image.setRGB(i % 8, i / 8, rgb);
        }
        ImageIO.write(image, "png", file.toFile());
    }

    private static Cli measure(Object... more) {
        List<Object> command = new ArrayList<>(List.of("likelihood", run, "--data", data));
        command.addAll(Arrays.asList(more));
        return Cli.run(command.toArray());
    }

    /** A short way at a coarse tolerance, unless an option says otherwise. */
    private static List<Object> quick(Object... more) {
        List<Object> options = new ArrayList<>(Arrays.asList(more));
        for (List<String> usual : List.of(
                List.of("--atol", "1e-2"),
                List.of("--rtol", "1e-2"),
                List.of("--sigma-min", "0.3"),
                List.of("--sigma-max", "10"))) {
            if (!options.contains(usual.get(0))) {
                options.addAll(usual);
            }
        }
        return options;
    }

    /** Mean bits per dimension, as printed. */
    private static double mean(Cli run) {
        String last = run.ok().out().lines().reduce((first, second) -> second).orElseThrow();
        Matcher matcher = Pattern.compile("(-?[0-9.]+) bits per dimension.*").matcher(last);
        assertThat(matcher.matches()).as(last).isTrue();
        return Double.parseDouble(matcher.group(1));
    }

    private double[] nats(Object... more) throws IOException {
        Path csv = folder.resolve("result.csv");
        List<Object> all = new ArrayList<>(Arrays.asList(more));
        all.addAll(List.of("--csv", csv));
        measure(all.toArray()).ok();
        return Files.readAllLines(csv).stream()
                .skip(1)
                .mapToDouble(line -> Double.parseDouble(line.split(",", -1)[2]))
                .toArray();
    }

    @Test
    void theMeanOfTheDataSetIsFiniteAndTheSameAgain() {
        Cli first = measure();
        assertThat(mean(first)).isBetween(-5.0, 30.0);
        assertThat(first.out())
                .containsPattern("bits per dimension ± 0\\.[0-9]{4} \\(mean and standard error of 8 pictures\\)")
                .containsPattern("noise levels 0\\.0[0-9]+ to [0-9.]+");
        assertThat(measure().ok().out()).isEqualTo(first.out());
    }

    @Test
    void theCsvHasOneLineAPictureWhoseMeanIsThatPrinted() throws IOException {
        Path csv = folder.resolve("result.csv");
        Cli printed = measure(quick("--csv", csv).toArray());
        double mean = Double.parseDouble(printed.ok()
                .out()
                .lines()
                .filter(line -> line.contains("bits per dimension"))
                .findFirst()
                .orElseThrow()
                .split(" ", -1)[0]);
        List<String> lines = Files.readAllLines(csv);
        assertThat(lines).hasSize(9).first().isEqualTo(HEADER);
        double bits = 0;
        double squares = 0;
        for (int i = 0; i < 8; i++) {
            String[] fields = lines.get(1 + i).split(",", 5);
            assertThat(fields[0]).isEqualTo(Integer.toString(i));
            assertThat(fields[1]).isEqualTo(Integer.toString(i / 2));
            double each = Double.parseDouble(fields[3]);
            // in units of levels of 2/255, over 192 numbers
            assertThat(each)
                    .isCloseTo((-Double.parseDouble(fields[2]) / 192 + Math.log(127.5)) / Math.log(2), within(1e-9));
            assertThat(fields[4]).startsWith("\"" + data).endsWith(".png\"").contains("/shape, \"\"");
            bits += each / 8;
            squares += each * each / 8;
        }
        assertThat(mean).isCloseTo(bits, within(1e-4));
        double error = Math.sqrt((squares - bits * bits) / 7);
        assertThat(printed.out()).contains(String.format(Locale.ROOT, "± %.4f", error), "wrote " + csv);
        assertThat(Cli.files(folder)).containsExactly("result.csv");
    }

    /** 1e-6 of some hundred nats for each of some tens of steps: 1e-2 nats, or 1e-4 bits per dimension. */
    @Test
    void aPicturesResultDoesNotDependOnTheBatch() throws IOException {
        List<Object> tight = quick("--limit", "4", "--atol", "1e-6", "--rtol", "1e-6", "--precision", "float64");
        List<Object> ones = new ArrayList<>(tight);
        ones.addAll(List.of("--batch", "1"));
        List<Object> fours = new ArrayList<>(tight);
        fours.addAll(List.of("--batch", "4"));
        double[] together = nats(fours.toArray());
        assertThat(nats(ones.toArray())).hasSize(4).containsExactly(together, within(1e-2));
        assertThat(Arrays.stream(together).distinct().count()).isEqualTo(4);
    }

    @Test
    void aLimitTakesPicturesOfAllClasses() throws IOException {
        Path csv = folder.resolve("result.csv");
        measure(quick("--limit", "4", "--csv", csv).toArray()).ok();
        assertThat(Files.readAllLines(csv).stream().skip(1).map(line -> line.split(",", -1)[0]))
                .containsExactly("0", "2", "4", "6");
        assertThat(measure(quick("--limit", "100").toArray()).ok().out()).contains("of 8 pictures");
        assertThat(measure(quick("--limit", "1").toArray()).ok().out()).contains("bits per dimension (1 picture)");
    }

    /** Picture 6 of 8 is of class 3. */
    @Test
    void theResultIsThatOfCallingTheModelWithThePicturesClass() throws IOException {
        List<Object> options = quick("--limit", "4", "--batch", "1", "--bare-levels");
        double[] printed = nats(options.toArray());
        float[] pixels = new float[3 * 64];
        try (Dataset pictures = Datasets.open(data, PictureOptions.rgb(8, 8));
                Scope scope = Scope.open();
                ModelBundle bundle = ModelBundle.open(RunDirectory.find(run).newestBundle());
                Model model = bundle.load(ModelBundle.Weights.EMA, Precision.FLOAT32, Devices.cpu())) {
            pictures.read(6, new SplittableRandom(0), pixels, 0);
            DiffusionConfig diffusion = bundle.section("diffusion", DiffusionConfig.class);
            Network network = new ModelNetwork(model, diffusion).on(Tape.plain());
            double[] byClass = new double[4];
            for (int label = 0; label < 4; label++) {
                byClass[label] = new LogLikelihood(0.3, 10, 1e-2, 1e-2, 1)
                        .evaluate(
                                diffusion.denoiser(network, Conditioning.classes(Tensors.of(new long[] {label}))),
                                Tensors.of(pixels, 1, 3, 8, 8),
                                new long[] {Rng.mix(0, 6)},
                                share -> {})
                        .nats()[0];
            }
            assertThat(printed[3]).isEqualTo(byClass[3]);
            assertThat(byClass).doesNotHaveDuplicates();
        }
    }

    @Test
    void everyOptionChangesTheResult() throws IOException {
        List<double[]> results = new ArrayList<>();
        for (List<Object> options : List.<List<Object>>of(
                List.of(),
                List.of("--seed", "1"),
                List.of("--probes", "3"),
                List.of("--atol", "1e-1"),
                List.of("--rtol", "1e-1"),
                List.of("--sigma-min", "0.4"),
                List.of("--sigma-max", "5"),
                List.of("--bare-levels"),
                List.of("--weights", "raw"),
                List.of("--precision", "float64"))) {
            List<Object> command = new ArrayList<>(List.of("--limit", "2"));
            command.addAll(options);
            double[] result = nats(quick(command.toArray()).toArray());
            assertThat(results).noneMatch(other -> Arrays.equals(other, result));
            results.add(result);
        }
    }

    @Test
    void picturesOfAnotherSizeAreBroughtToTheModels() throws IOException {
        Path other = Files.createDirectories(folder.resolve("other"));
        for (String name : List.of("a", "b", "c", "d")) {
            BufferedImage image = new BufferedImage(24, 17, BufferedImage.TYPE_3BYTE_BGR);
            Files.createDirectories(other.resolve(name));
            ImageIO.write(image, "png", other.resolve(name).resolve("1.png").toFile());
        }
        assertThat(mean(Cli.run("likelihood", run, "--data", other))).isFinite();
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', textBlock = """
                    --limit 0            | --limit must be at least 1, got 0
                    --batch 0            | --batch must be at least 1, got 0
                    --probes 0           | probes must be at least 1, got 0
                    --atol 0             | atol and rtol must be above 0, got 0.0 and 1.0E-4
                    --rtol -1            | atol and rtol must be above 0, got 1.0E-4 and -1.0
                    --rtol NaN           | atol and rtol must be above 0, got 1.0E-4 and NaN
                    --sigma-min 0        | sigmaMin must be above 0 and below sigmaMax, got 0.0 and
                    --sigma-min 5 --sigma-max 5 | sigmaMin must be above 0 and below sigmaMax, got 5.0 and 5.0
                    --precision bfloat16 | --precision must be float32 or float64
                    --limit many         | --limit
                    """)
    void wrongUsageIsOneLine(String options, String message) {
        measure((Object[]) options.split(" ", -1)).fails(2, message);
    }

    @Test
    void aDataSetMustBeGivenAndBeThere() throws IOException {
        Cli.run("likelihood", run).fails(2, "--data");
        Path nowhere = folder.resolve("nowhere");
        Cli.run("likelihood", run, "--data", nowhere).fails(3, "data set not found: " + nowhere);
        Cli.run("likelihood", nowhere, "--data", data).fails(3, "model not found: " + nowhere);
        Path file = Files.writeString(folder.resolve("x.safetensors"), "not a bundle at all");
        Cli.run("likelihood", file, "--data", data).fails(3, file.toString());
    }

    @Test
    void aDataSetOfOtherClassesIsRefused() throws IOException {
        Path two = folder.resolve("two");
        for (String name : List.of("a", "b")) {
            writePng(Files.createDirectories(two.resolve(name)).resolve("1.png"), new float[3 * 64]);
        }
        Cli.run("likelihood", run, "--data", two).fails(3, "the model has 4 classes, the data set " + two + " has 2");
        Path flat = Files.createDirectories(folder.resolve("flat"));
        writePng(flat.resolve("1.png"), new float[3 * 64]);
        Cli.run("likelihood", run, "--data", flat).fails(3, "the model has 4 classes", "has no labels");
    }

    @Test
    void aBrokenPictureIsNamedAndNoCsvIsLeft() throws IOException {
        Path broken = folder.resolve("broken");
        for (String name : List.of("a", "b", "c", "d")) {
            writePng(Files.createDirectories(broken.resolve(name)).resolve("1.png"), new float[3 * 64]);
        }
        Path bad = Files.writeString(broken.resolve("d/1.png"), "no picture");
        Path csv = folder.resolve("result.csv");
        Cli.run("likelihood", run, "--data", broken, "--csv", csv).fails(3, bad.toString());
        assertThat(csv).doesNotExist();
    }

    @Test
    void aCsvThatCannotBeWrittenIsRefusedAtOnce() {
        Path csv = folder.resolve("nowhere/result.csv");
        measure("--csv", csv).fails(3, "cannot write " + csv, "no folder");
        measure("--csv", folder).fails(3, "cannot write " + folder, "it is a folder");
    }
}
