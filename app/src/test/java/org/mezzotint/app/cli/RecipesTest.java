package org.mezzotint.app.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.mezzotint.io.Yaml;
import org.mezzotint.models.DdpmPlusPlusConfig;
import org.mezzotint.models.ModelConfig;
import org.mezzotint.models.NamedDiffiT;
import org.mezzotint.models.NamedHDiT;
import org.mezzotint.models.NamedImageDiffiT;
import org.mezzotint.models.NamedSimpleDiffusion;

/** The recipes and studies in configs/ fit this version. */
class RecipesTest {
    private static final Path CONFIGS = Path.of("../configs");

    private static List<Path> files(boolean studies) throws IOException {
        List<Path> found = new ArrayList<>();
        try (Stream<Path> files = Files.walk(CONFIGS)) {
            for (Path file : files.filter(each -> each.toString().endsWith(".yaml"))
                    .sorted()
                    .toList()) {
                if (Files.readString(file).contains("\nrows:") == studies) {
                    found.add(file);
                }
            }
        }
        return found;
    }

    static List<Path> recipes() throws IOException {
        return files(false);
    }

    /** Studies in miniature. */
    static List<Path> studies() throws IOException {
        return files(true).stream()
                .filter(file -> !file.getFileName().toString().startsWith("simple-table"))
                .toList();
    }

    /** Tables 4 and 5 of arXiv:2301.11093 at full size. */
    @ParameterizedTest
    @CsvSource({
        "simple-table-4, 'simple-unet-128-blocks-2 simple-unet-128-blocks-4 simple-unet-128-blocks-8 simple-unet-128'",
        "simple-table-5, 'simple-unet-512-none simple-unet-512-wavelet-1 simple-unet-512-wavelet-2 simple-unet-512-patch-2"
                + " simple-unet-512-patch-4'"
    })
    void fullTablesHaveThePapersNetworks(String name, String networks, @TempDir Path folder) {
        Path file = CONFIGS.resolve("studies/" + name + ".yaml");
        StudyConfig study = Yaml.read(file, StudyConfig.class);
        List<ModelConfig> models = new ArrayList<>();
        for (StudyConfig.Row row : study.rows()) {
            models.add(
                    new StudyRow(study, row, file.resolveSibling(row.recipe()).toString(), folder.resolve(row.name()))
                            .config()
                            .model());
        }
        assertThat(models)
                .isEqualTo(Stream.of(networks.split(" ", -1))
                        .map(NamedSimpleDiffusion::named)
                        .toList());
    }

    @ParameterizedTest
    @CsvSource({
        "unet-128, simple-unet-128", "unet-256, simple-unet-256", "unet-512, simple-unet-512-wavelet-2",
        "uvit-128, uvit-128", "uvit-256, uvit-256", "uvit-512, uvit-512"
    })
    void simpleDiffusionsRecipesHaveThePapersNetworks(String recipe, String network) {
        assertThat(Recipes.read("configs/simple-diffusion-" + recipe + ".yaml", List.of())
                        .model())
                .isEqualTo(NamedSimpleDiffusion.named(network));
    }

    @ParameterizedTest
    @MethodSource("recipes")
    void everyRecipeCanBeRead(Path recipe) {
        assertThat(Recipes.read(recipe.toString(), List.of()).expected().result())
                .isNotBlank();
    }

    @ParameterizedTest
    @ValueSource(strings = {"hdit-ffhq-1024", "hdit-imagenet-256"})
    void thePapersRecipesHaveThePapersNetworks(String name) {
        assertThat(Recipes.read("configs/" + name + ".yaml", List.of()).model()).isEqualTo(NamedHDiT.named(name, 0));
    }

    @ParameterizedTest
    @ValueSource(strings = {"256", "512"})
    void thePapersRecipesHaveThePapersDiffiTs(String size) {
        assertThat(Recipes.read("configs/diffit-imagenet-" + size + ".yaml", List.of())
                        .model())
                .isEqualTo(NamedDiffiT.named("diffit-" + size));
    }

    @ParameterizedTest
    @ValueSource(strings = {"diffit-cifar10", "diffit-ffhq-64"})
    void thePapersRecipesForDiffiTOnPixelsHaveThePapersNetworks(String name) {
        assertThat(Recipes.read("configs/" + name + ".yaml", List.of()).model())
                .isEqualTo(NamedImageDiffiT.named(name, 0));
    }

    @Test
    void theSmallDiffiTForCifarFitsItsBudget() {
        assertThat(Recipes.read("configs/cifar10-diffit.yaml", List.of())
                        .model()
                        .cost()
                        .macs())
                .isLessThan(300_000_000L);
    }

    @Test
    void rowEIsTheOneForImageNetAt128() {
        assertThat(Recipes.read("configs/hdit-imagenet-128.yaml", List.of()).model())
                .isEqualTo(NamedHDiT.named("hdit-ablation-e", 0));
    }

    @Test
    void ddpmPlusPlussRecipesHaveTheNamedNetworks() {
        assertThat(Recipes.read("configs/ddpmpp-cifar10.yaml", List.of()).model())
                .isEqualTo(DdpmPlusPlusConfig.named("ddpmpp-cifar10"));
        assertThat(Recipes.read("configs/studies/ddpmpp-mini.yaml", List.of()).model())
                .isEqualTo(DdpmPlusPlusConfig.named("ddpmpp-mini"));
    }

    @ParameterizedTest
    @MethodSource("studies")
    void everyRowOfAStudyCanBeTrained(Path file, @TempDir Path folder) {
        StudyConfig study = Yaml.read(file, StudyConfig.class);
        for (StudyConfig.Row row : study.rows()) {
            StudyRow resolved =
                    new StudyRow(study, row, file.resolveSibling(row.recipe()).toString(), folder.resolve(row.name()));
            // a miniature is small: no row costs more than a GMAC
            assertThat(resolved.config().model().cost().macs()).isLessThan(1_000_000_000L);
        }
    }
}
