package org.mezzotint.app.cli;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class InfoCommandTest {
    @TempDir
    private Path folder;

    private static JsonNode json(Object... arguments) throws IOException {
        return new ObjectMapper().readTree(Cli.run(arguments).ok().out());
    }

    /** DiT-S/2 at 256×256: 6.06 Gflops in table 4 of arXiv:2212.09748v2, here counted without rounding. */
    @Test
    void jsonHasParametersAndMultiplyAccumulates() throws IOException {
        JsonNode facts = json("info", "dit-s/2", "--json");
        assertThat(facts.get("parameters").longValue()).isEqualTo(32_865_056);
        assertThat(Math.round(facts.get("macs").longValue() / 1e6)).isEqualTo(6056);
        assertThat(facts.get("input").textValue()).isEqualTo("4x32x32");
    }

    @Test
    void textHasTheSameFigures() {
        assertThat(Cli.run("info", "dit-s/2").ok().out())
                .contains("32,865,056", "6.056 G a picture", "input 4x32x32", "at batch 1");
    }

    @Test
    void sizeBatchAndConditioningChangeTheFigures() throws IOException {
        JsonNode base = json("info", "dit-s/8", "--json");
        JsonNode larger = json("info", "dit-s/8", "--json", "--size", "512");
        JsonNode batch = json("info", "dit-s/8", "--json", "--batch", "7");
        JsonNode inContext = json("info", "dit-s/8", "--json", "--conditioning", "in-context");
        assertThat(larger.get("macs").longValue())
                .isGreaterThan(3 * base.get("macs").longValue());
        assertThat(batch.get("trainingBytes").longValue())
                .isGreaterThan(base.get("trainingBytes").longValue());
        assertThat(inContext.get("parameters").longValue())
                .isLessThan(base.get("parameters").longValue());
    }

    /** The paper's follow-ups quote 2 G or 2.5 G parameters and 555 G; the sum over its layers is what is asked for here. */
    @Test
    void theModelsOfSimpleDiffusionHaveTheirPublishedSize() throws IOException {
        JsonNode facts = json("info", "uvit-256", "--json");
        assertThat(facts.get("parameters").longValue()).isBetween(2_440_000_000L, 2_460_000_000L);
        assertThat(facts.get("macs").longValue()).isBetween(530_000_000_000L, 555_000_000_000L);
        assertThat(facts.get("input").textValue()).isEqualTo("3x256x256");
        Cli.run("info", "uvit-300").fails(2, "model must be one of simple-unet-128", "uvit-512, got uvit-300");
        Cli.run("info", "uvit-256", "--size", "128").fails(2, "--size", "uvit-256, whose name says its size");
    }

    /** Table 9 of arXiv:2312.02139v3 counts without attention's products; macs is the full count. */
    @Test
    void diffitHasBothCounts() throws IOException {
        JsonNode facts = json("info", "diffit-256", "--json");
        assertThat(facts.get("parameters").longValue()).isEqualTo(561_035_232);
        assertThat(Math.round(facts.get("macs").longValue() / 1e7)).isEqualTo(11851);
        assertThat(Math.round(facts.get("macsWithoutAttentionProducts").longValue() / 1e7))
                .isEqualTo(11428);
        assertThat(Cli.run("info", "diffit-512").ok().out())
                .contains("562,382,816", "524.4", "a picture", "456.7", "without attention's products");
        Cli.run("info", "diffit-256", "--size", "512").fails(2, "--size and --conditioning are not for diffit-256");
        Cli.run("info", "diffit-1024").fails(2, "unknown model diffit-1024");
    }

    @Test
    void aRecipeCanBeAskedAbout() {
        assertThat(Cli.run("info", Cli.TINY).ok().out()).contains("input 3x8x8");
        assertThat(Cli.run("info", "configs/quickstart.yaml").ok().out()).contains("input 3x24x24");
    }

    @Test
    void levelsSayWhereWeightsAndActivationsAre() throws IOException {
        JsonNode facts = json("info", "hdit-imagenet-256", "--json");
        JsonNode levels = facts.get("levels");
        assertThat(levels).hasSize(3);
        assertThat(levels.get(0).get("rows").intValue()).isEqualTo(64);
        assertThat(levels.get(2).get("channels").intValue()).isEqualTo(1536);
        long parameters = 0;
        for (JsonNode level : levels) {
            parameters += level.get("parameters").longValue();
        }
        assertThat(parameters)
                .isLessThan(facts.get("parameters").longValue())
                .isGreaterThan(facts.get("parameters").longValue() * 9 / 10);
        assertThat(Cli.run("info", "hdit-imagenet-256", "--batch", "2").ok().out())
                .contains("  64x64, 384 channels ", "  32x32, 768 channels ", "  16x16, 1536 channels ", "  shared ")
                .containsPattern("16x16, 1536 channels +weights and optimiser [0-9.]+ GB, activations [0-9.]+ [GM]B, ");
        assertThat(json("info", "dit-s/8", "--json").has("levels")).isFalse();
        assertThat(Cli.run("info", "dit-s/8").ok().out()).doesNotContain("shared");
    }

    /** Table 1 of arXiv:2301.11093v2. */
    @Test
    void convolutionsAreWeighedAgainstTheirMaps() throws IOException {
        assertThat(Cli.run("info", "--convolutions", "--batch", "1024")
                        .ok()
                        .out()
                        .lines())
                .containsExactly(
                        "256x256, 128 channels, batch 1024: kernel 2.8 MiB, features 16.00 GiB, both 16.00 GiB, 9.00 Ti"
                                + " multiply-accumulates",
                        "16x16, 1024 channels, batch 1024: kernel 180.0 MiB, features 0.50 GiB, both 0.68 GiB, 2.25 Ti"
                                + " multiply-accumulates");
        JsonNode rows = json("info", "--convolutions", "8x4", "--json").get("convolutions");
        assertThat(rows).hasSize(1);
        assertThat(rows.get(0).get("kernelBytes").longValue()).isEqualTo(20 * 9 * 16);
        assertThat(rows.get(0).get("featureBytes").longValue()).isEqualTo(2 * 64 * 4);
        assertThat(rows.get(0).get("macs").longValue()).isEqualTo(64 * 9 * 16);
        Cli.run("info", "--convolutions", "8by4").fails(2, "--convolutions must be a side and channels", "got 8by4");
        Cli.run("info", "--convolutions", "0x4").fails(2, "batch, size and channels must be at least 1");
        Cli.run("info").fails(2, "give a MODEL or --convolutions");
        Cli.run("info", "dit-s/2", "--convolutions", "8x4").fails(2, "give a MODEL or --convolutions");
        Cli.run("info", "--convolutions", "8x4", "--size", "64").fails(2, "--size and --conditioning are for a MODEL");
    }

    @Test
    void ddpmPlusPlusHasNames() throws IOException {
        assertThat(json("info", "ddpmpp-cifar10", "--json").get("parameters").longValue())
                .isEqualTo(55_733_891);
        Cli.run("info", "ddpmpp-cifar10", "--size", "64")
                .fails(2, "--size and --conditioning are not for ddpmpp-cifar10");
        Cli.run("info", "ddpmpp-ffhq").fails(2, "model must be one of ddpmpp-cifar10", "got ddpmpp-ffhq");
    }

    @Test
    void anUnknownModelNameIsWrongUsage() {
        Cli.run("info", "dit-z/2").fails(2, "dit-s, dit-b, dit-l or dit-xl", "got dit-z/2");
    }

    @Test
    void aBadSizeIsWrongUsage() {
        Cli.run("info", "dit-s/2", "--size", "100").fails(2, "--size must be a multiple of 8", "got 100");
        Cli.run("info", "dit-s/2", "--size", "0").fails(2, "--size must be a multiple of 8", "got 0");
        Cli.run("info", "dit-s/2", "--size", "65536").fails(2, "up to 4096", "got 65536");
        Cli.run("info", "dit-s/2", "--size", "large").fails(2, "--size", "large");
        Cli.run("info", "dit-s/8", "--size", "8").fails(2, "height must be a multiple of patchSize, got 1 and 8");
    }

    @Test
    void anUnknownConditioningIsWrongUsage() {
        Cli.run("info", "dit-s/2", "--conditioning", "film").fails(2, "--conditioning", "got film");
    }

    @Test
    void aMissingBundleOrRecipeIsNamed() {
        Cli.run("info", folder.resolve("no.safetensors")).fails(3, "model not found", "no.safetensors");
        Cli.run("info", folder.resolve("no.yaml")).fails(3, "recipe not found", "no.yaml");
    }

    @Test
    void aFolderWithoutARunIsRefused() {
        Cli.run("info", folder).fails(3, "no run found in " + folder);
    }

    @Test
    void aFileThatIsNoBundleIsRefused() throws IOException {
        Path file = Files.writeString(folder.resolve("x.safetensors"), "not a bundle at all");
        Cli.run("info", file).fails(3, file.toString());
    }
}
