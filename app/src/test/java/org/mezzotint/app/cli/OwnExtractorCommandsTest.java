package org.mezzotint.app.cli;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.mezzotint.io.Npz;

/** A network of one's own, pictures drawn to be measured, and runs that measure themselves. */
class OwnExtractorCommandsTest {
    @TempDir
    private static Path shared;

    @TempDir
    private Path folder;

    private static Path own;
    private static Path run;
    private static Path reference;

    @BeforeAll
    static void make() {
        own = shared.resolve("own.safetensors");
        assertThat(Cli.run("extractor", own, "--images", "640").ok().out())
                .contains(
                        "wrote " + own + ": own-classifier ",
                        "of 2000 held-out pictures",
                        "(30 classes; chance is 3.3%)");
        run = shared.resolve("run");
        Cli.run("train", Cli.TINY, "--out", run).ok();
        reference = shared.resolve("reference.npz");
        SplittableRandom random = new SplittableRandom(2);
        try (Npz.ImageWriter writer = Npz.images(reference, 40, 8, 8)) {
            for (int i = 0; i < 40; i++) {
                byte[] rgb = new byte[3 * 8 * 8];
                random.nextBytes(rgb);
                writer.add(rgb);
            }
        }
    }

    private static JsonNode evaluate(Object model, Object... more) throws IOException {
        List<Object> command = new ArrayList<>(
                List.of("evaluate", model, "--reference", reference, "--weights", own, "--batch", "4", "--json"));
        command.addAll(List.of(more));
        return new ObjectMapper().readTree(Cli.run(command.toArray()).ok().out());
    }

    private static List<Path> parts(Path cache) throws IOException {
        try (Stream<Path> all = Files.walk(cache)) {
            return all.filter(file -> file.getFileName().toString().startsWith("part-"))
                    .sorted()
                    .toList();
        }
    }

    @Test
    void aModelIsDrawnAndThenMeasuredAsItsPicturesAre() throws IOException {
        JsonNode result = evaluate(run, "--seed", "0-9");
        assertThat(parts(run.resolve("evaluation"))).hasSizeGreaterThanOrEqualTo(3);
        JsonNode facts = result.get("facts");
        assertThat(facts.get("pictures").intValue()).isEqualTo(10);
        assertThat(facts.get("source").textValue()).endsWith("model.safetensors");
        assertThat(facts.get("seed").textValue()).isEqualTo("0-9");
        assertThat(facts.get("resize").textValue()).isEqualTo("own-32");
        Path drawn = folder.resolve("drawn.npz");
        Cli.run("sample", run, "--seeds", "0-9", "--batch", "4", "--out", drawn).ok();
        assertThat(evaluate(drawn).get("values")).isEqualTo(result.get("values"));
        assertThat(result.get("values").fieldNames()).toIterable().containsExactly("own-fd");
        assertThat(result.get("values").get("own-fd").doubleValue()).isPositive();
        assertThat(evaluate(run, "--seed", "0-9", "--steps", "2").get("values")).isNotEqualTo(result.get("values"));
    }

    /** What a killed process leaves: some parts whole, one missing, and an unfinished file. */
    @Test
    void drawingGoesOnWhereItWasKilledAndGivesTheSame() throws IOException {
        Path cache = folder.resolve("cache");
        JsonNode whole = evaluate(run, "--seed", "0-9", "--cache", cache);
        List<Path> parts = parts(cache);
        byte[] second = Files.readAllBytes(parts.get(1));
        FileTime kept = Files.getLastModifiedTime(parts.get(0));
        Files.delete(parts.get(1));
        try (Stream<Path> features = Files.list(cache)) {
            for (Path each : features.filter(
                            path -> !path.getFileName().toString().startsWith("drawn-"))
                    .toList()) {
                try (Stream<Path> files = Files.list(each)) {
                    for (Path file : files.toList()) {
                        Files.delete(file);
                    }
                }
            }
        }
        assertThat(evaluate(run, "--seed", "0-9", "--cache", cache)).isEqualTo(whole);
        assertThat(Files.readAllBytes(parts.get(1))).isEqualTo(second);
        assertThat(Files.getLastModifiedTime(parts.get(0))).isEqualTo(kept);
    }

    @Test
    void aProtocolSaysHowToDrawAndTheResultInWhatItWasNotKept() throws IOException {
        JsonNode result = evaluate(run, "--seed", "0-3", "--protocol", "dit", "--metrics", "fid", "--steps", "3");
        assertThat(result.get("facts").get("sampler").textValue()).isEqualTo("ddpm");
        assertThat(result.get("differences").toString())
                .contains("4 pictures instead of 50000", "steps 3 instead of 250", "resize mode own-32")
                .doesNotContain("sampler");
    }

    @Test
    void statisticsOfAnOwnNetworkServeAsTheReference() throws IOException {
        Path stats = folder.resolve("stats.npz");
        assertThat(Cli.run("stats", reference, stats, "--weights", own).ok().out())
                .contains("extractor own-classifier ", "resize own-32");
        double direct =
                evaluate(run, "--seed", "0-9").get("values").get("own-fd").doubleValue();
        JsonNode again = new ObjectMapper()
                .readTree(Cli.run(
                                "evaluate",
                                run,
                                "--seed",
                                "0-9",
                                "--reference",
                                stats,
                                "--weights",
                                own,
                                "--batch",
                                "4",
                                "--json")
                        .ok()
                        .out());
        assertThat(again.get("values").get("own-fd").doubleValue() / direct).isBetween(1 - 1e-9, 1 + 1e-9);
    }

    @Test
    void aRunThatMeasuresItselfIsTrainedToTheSameBits() throws IOException {
        Path measured = folder.resolve("measured");
        Object[] options = {
            "--evaluate-every", "40", "--evaluate-pictures", "6", "--reference", reference, "--weights", own
        };
        train(measured, options);
        Path last = Path.of("checkpoints/000000088/model.safetensors");
        assertThat(Files.readAllBytes(measured.resolve(last))).isEqualTo(Files.readAllBytes(run.resolve(last)));
        List<String> rows = Files.readAllLines(measured.resolve("evaluation.csv"));
        assertThat(rows.get(0)).isEqualTo("images,own-fd");
        assertThat(rows.stream().skip(1).map(row -> row.split(",", 2)[0])).containsExactly("40", "80", "88");
        assertThat(Files.readString(measured.resolve("evaluation.json"))).contains("own-classifier", "at 88");
        assertThat(Files.readString(measured.resolve("log.txt"))).contains("evaluation at 80 pictures: own-fd ");
        // the last row is what evaluate says of the last checkpoint
        double value = Double.parseDouble(rows.get(3).split(",", 2)[1]);
        assertThat(evaluate(measured, "--seed", "0-5")
                                .get("values")
                                .get("own-fd")
                                .doubleValue()
                        / value)
                .isBetween(0.999, 1.001);
        train(measured, concat(options, "--resume", "--duration", "96"));
        assertThat(Files.readAllLines(measured.resolve("evaluation.csv")).stream()
                        .skip(1)
                        .map(row -> row.split(",", 2)[0]))
                .containsExactly("40", "80", "88", "96");
    }

    private static void train(Path out, Object... more) {
        Cli.run(concat(new Object[] {"train", Cli.TINY, "--out", out}, more)).ok();
    }

    private static Object[] concat(Object[] a, Object... b) {
        return Stream.concat(Stream.of(a), Stream.of(b)).toArray();
    }

    @Test
    void wrongUseIsSaidInOneLine() {
        Cli.run("evaluate", run, "--reference", reference, "--weights", own)
                .fails(2, "say which pictures to draw of the model with --seed, such as 0-9999, or give a --protocol");
        Path bundle = run.resolve("checkpoints/000000088/model.safetensors");
        Cli.run("evaluate", bundle, "--reference", reference, "--weights", own, "--seed", "0-3")
                .fails(2, "--cache is needed for pictures of a model that is no run's folder");
        Cli.run("evaluate", reference, "--reference", run, "--weights", own)
                .fails(3, "--reference must be pictures, features or statistics, " + run + " is a model");
        Cli.run("stats", run, folder.resolve("x.npz"), "--weights", own).fails(3, run + " is a model");
        Cli.run("evaluate", reference, "--reference", reference, "--weights", own, "--resize", "clean")
                .fails(2, "--resize is for FID's network");
        Cli.run("extractor", folder.resolve("x.npz")).fails(2, "OUT must end in .safetensors");
        Cli.run("train", Cli.TINY, "--out", folder.resolve("r"), "--reference", reference)
                .fails(2, "are for --evaluate-every only");
        Cli.run("train", Cli.TINY, "--out", folder.resolve("r"), "--evaluate-every", "5")
                .fails(2, "--evaluate-every needs a --reference");
        Cli.run("train", Cli.TINY, "--out", folder.resolve("r"), "--evaluate-every", "5", "--reference", "nowhere")
                .fails(3, "no such file or folder: nowhere");
    }
}
