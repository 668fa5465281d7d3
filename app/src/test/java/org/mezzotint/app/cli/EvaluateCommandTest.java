package org.mezzotint.app.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;
import static org.assertj.core.api.Assertions.withinPercentage;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.mezzotint.data.PictureSet;
import org.mezzotint.eval.FrechetDistance;
import org.mezzotint.eval.ReferenceStats;
import org.mezzotint.io.Npz;
import org.mezzotint.io.Png;
import org.mezzotint.io.Safetensors;
import org.mezzotint.tensor.Rng;
import org.mezzotint.tensor.Scope;
import org.mezzotint.tensor.Tensors;

class EvaluateCommandTest {
    @TempDir
    private static Path shared;

    @TempDir
    private Path folder;

    private static Path weights;
    private static Path ours;
    private static Path theirs;

    /** A network of random weights, and two small sets of pictures. */
    @BeforeAll
    static void make() throws IOException {
        weights = RandomInception.write(shared.resolve("inception.safetensors"));
        ours = Files.createDirectories(shared.resolve("ours"));
        SplittableRandom random = new SplittableRandom(2);
        for (int i = 0; i < 3; i++) {
            byte[] rgb = new byte[3 * 16 * 16];
            random.nextBytes(rgb);
            Files.write(ours.resolve(i + ".png"), Png.encode(16, 16, rgb, Map.of()));
        }
        theirs = shared.resolve("theirs.npz");
        try (Npz.ImageWriter writer = Npz.images(theirs, 4, 16, 16)) {
            for (int i = 0; i < 4; i++) {
                byte[] rgb = new byte[3 * 16 * 16];
                random.nextBytes(rgb);
                writer.add(rgb);
            }
        }
    }

    private static JsonNode json(Cli run) throws IOException {
        return new ObjectMapper().readTree(run.ok().out());
    }

    /** All but precision and recall, which want more pictures. */
    private static Cli evaluate(Object... more) {
        List<Object> command = new ArrayList<>(List.of(
                "evaluate",
                ours,
                "--reference",
                theirs,
                "--weights",
                weights,
                "--metrics",
                "fid,sfid,kid,is",
                "--kid-subsets",
                "3",
                "--is-splits",
                "2",
                "--protocol",
                "dit",
                "--cache",
                shared.resolve("cache"),
                "--batch",
                "2",
                "--steps",
                "50",
                "--json"));
        command.addAll(List.of(more));
        return Cli.run(command.toArray());
    }

    @Test
    void picturesAgainstPicturesGiveAllNumbersWithTheirProtocol() throws IOException {
        JsonNode result = json(evaluate());
        assertThat(result.get("values").fieldNames())
                .toIterable()
                .containsExactly("fid", "sfid", "kid", "kid_deviation", "is", "is_deviation");
        assertThat(result.get("values").get("fid").doubleValue()).isPositive();
        assertThat(result.get("protocol").textValue()).isEqualTo("dit");
        assertThat(result.get("differences").toString())
                .contains("3 pictures instead of 50000", "steps 50 instead of 250")
                .doesNotContain("resize");
        JsonNode facts = result.get("facts");
        assertThat(facts.get("pictures").intValue()).isEqualTo(3);
        assertThat(facts.get("referencePictures").intValue()).isEqualTo(4);
        assertThat(facts.get("reference").textValue()).matches(".*theirs\\.npz:[0-9a-f]{16}");
        assertThat(facts.get("extractor").textValue()).matches("inception-2015-12-05:[0-9a-f]{16}");
        assertThat(facts.get("resize").textValue()).isEqualTo("tensorflow");
        assertThat(facts.get("sampler").textValue()).isEqualTo("not stated");
        assertThat(Cli.files(shared.resolve("cache"))).hasSize(2);
        JsonNode again = json(evaluate("--kid-subset-size", "2", "--is-shuffle", "--metric-seed", "3"));
        assertThat(again.get("values").get("fid"))
                .as("from the cache")
                .isEqualTo(result.get("values").get("fid"));
        assertThat(again.get("values").get("kid"))
                .isNotEqualTo(result.get("values").get("kid"));
        assertThat(again.get("values").get("is"))
                .isNotEqualTo(result.get("values").get("is"));
    }

    @Test
    void statisticsWrittenOnceServeAsTheReference() throws IOException {
        Path stats = folder.resolve("stats.npz");
        assertThat(Cli.run("stats", theirs, stats, "--weights", weights).ok().out())
                .contains("wrote " + stats, "4 pictures", "resize tensorflow");
        try (Scope scope = Scope.open()) {
            assertThat(ReferenceStats.read(stats).spatial()).isPresent();
        }
        String text = Cli.run("evaluate", ours, "--reference", stats, "--weights", weights)
                .ok()
                .out();
        double fid = json(evaluate()).get("values").get("fid").doubleValue();
        assertThat(fid(text)).isCloseTo(fid, within(1e-4 * fid));
        String clean = Cli.run("evaluate", ours, "--reference", stats, "--weights", weights, "--resize", "clean")
                .ok()
                .out();
        assertThat(clean).contains("resize         clean", "protocol       none");
        assertThat(fid(clean)).isNotCloseTo(fid, within(1e-4 * fid));
    }

    /** As ADM's files: statistics for FID, and pictures of the same set for what needs features. */
    @Test
    void referenceWithStatisticsAndPicturesGivesBoth() throws IOException {
        Path adm = folder.resolve("adm.npz");
        try (Scope scope = Scope.open();
                PictureSet set = PictureSet.open(theirs)) {
            long[] levels = new long[set.size() * 16 * 16 * 3];
            for (int i = 0; i < levels.length; i++) {
                levels[i] = set.read(i / 768).rgb()[i % 768] & 0xFF;
            }
            Tensor pictures = Tensors.of(levels).view(set.size(), 16, 16, 3).to(ScalarType.Byte);
            Tensor mu = Tensors.empty(ScalarType.Float, 2048).zero_();
            Tensor sigma = Tensors.empty(ScalarType.Double, 2048, 2048).zero_();
            Npz.write(adm, Map.of("arr_0", pictures, "mu", mu, "sigma", sigma));
        }
        JsonNode both = json(Cli.run(
                "evaluate",
                ours,
                "--reference",
                adm,
                "--weights",
                weights,
                "--metrics",
                "fid,kid",
                "--kid-subsets",
                "3",
                "--json"));
        JsonNode plain = json(evaluate());
        assertThat(both.get("values").get("kid").doubleValue())
                .isCloseTo(plain.get("values").get("kid").doubleValue(), withinPercentage(1));
        assertThat(both.get("values").get("fid").doubleValue())
                .isGreaterThan(1.5 * plain.get("values").get("fid").doubleValue());
        assertThat(both.get("facts").get("referencePictures").intValue()).isEqualTo(4);
    }

    private static double fid(String text) {
        String line =
                text.lines().filter(each -> each.startsWith("fid")).findFirst().orElseThrow();
        return Double.parseDouble(line.replace("fid", "").strip());
    }

    @Test
    void featuresMadeElsewhereNeedNoNetwork() throws IOException {
        Path a = folder.resolve("a.npz");
        Path b = folder.resolve("b.safetensors");
        Path stats = folder.resolve("stats.npz");
        try (Scope scope = Scope.open();
                Rng rng = new Rng(3)) {
            Npz.write(a, Map.of("dino", rng.normal(ScalarType.Float, 40, 5)));
            Safetensors.write(b, Map.of("dino", rng.normal(ScalarType.Float, 30, 5)), Map.of());
        }
        JsonNode result = json(Cli.run("evaluate", a, "--reference", b, "--metrics", "fid,kid,pr", "--json"));
        assertThat(result.get("values").fieldNames())
                .toIterable()
                .containsExactly("fid", "kid", "kid_deviation", "precision", "recall", "density", "coverage");
        assertThat(result.get("facts").get("extractor").textValue()).isEqualTo(a.toString());
        Cli.run("stats", b, stats).ok();
        JsonNode again = json(Cli.run("evaluate", a, "--reference", stats, "--json"));
        assertThat(again.get("values").get("fid").doubleValue())
                .isCloseTo(result.get("values").get("fid").doubleValue(), within(1e-12));
        try (Scope scope = Scope.open()) {
            ReferenceStats read = ReferenceStats.read(stats);
            assertThat(FrechetDistance.between(read.features(), read.features()))
                    .isZero();
        }
    }

    @Test
    void wrongUseIsSaidInOneLine() throws IOException {
        Cli.run("evaluate", ours, "--reference", theirs)
                .fails(3, "pictures need the weights of FID's Inception network: --weights FILE");
        Cli.run("evaluate", ours, "--weights", weights).fails(2, "--reference is needed for all metrics but is");
        Cli.run("evaluate", ours, "--reference", theirs, "--metrics", "fdd").fails(2, "metrics must be out of");
        Cli.run("evaluate", ours, "--reference", theirs, "--protocol", "adm").fails(2, "protocol must be one of");
        Cli.run("evaluate", ours, "--reference", theirs, "--weights", weights, "--resize", "lanczos")
                .fails(2, "resize mode must be one of");
        Cli.run("evaluate", folder.resolve("none"), "--reference", theirs).fails(3, "no such file or folder");
        Path odd = folder.resolve("odd.npz");
        try (Scope scope = Scope.open()) {
            Npz.write(odd, Map.of("labels", Tensors.of(1, 2, 3)));
        }
        Cli.run("evaluate", odd, "--reference", theirs)
                .fails(3, "holds neither pictures (arr_0), nor features, nor statistics (mu, sigma), only labels");
        Cli.run("stats", odd, folder.resolve("no/out.npz")).fails(3, "cannot write");
        Path stats = folder.resolve("stats.npz");
        try (Scope scope = Scope.open()) {
            Npz.write(
                    stats,
                    Map.of("mu", Tensors.of(0.0), "sigma", Tensors.of(1.0).view(1, 1)));
        }
        Cli.run("evaluate", stats, "--reference", stats).fails(3, "holds statistics: those are a reference");
    }
}
