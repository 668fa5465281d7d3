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

    @Test
    void aRecipeCanBeAskedAbout() {
        assertThat(Cli.run("info", Cli.TINY).ok().out()).contains("input 3x8x8");
        assertThat(Cli.run("info", "configs/quickstart.yaml").ok().out()).contains("input 3x24x24");
    }

    @Test
    void ddpmPlusPlusHasNames() throws IOException {
        assertThat(json("info", "ddpmpp-cifar10", "--json").get("parameters").longValue())
                .isEqualTo(55_733_891);
        Cli.run("info", "ddpmpp-cifar10", "--size", "64").fails(2, "--conditioning and --size are not for DDPM++");
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
