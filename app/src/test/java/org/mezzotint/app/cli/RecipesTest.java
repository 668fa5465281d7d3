package org.mezzotint.app.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.mezzotint.io.Yaml;
import org.mezzotint.models.DdpmPlusPlusConfig;
import org.mezzotint.models.NamedHDiT;

/** The recipes and studies in configs/ fit this version. */
class RecipesTest {
    private static final Path CONFIGS = Path.of("../configs");

    static List<Path> recipes() throws IOException {
        try (Stream<Path> files = Files.walk(CONFIGS)) {
            return files.filter(file -> file.toString().endsWith(".yaml"))
                    .filter(file -> !studies().contains(file))
                    .toList();
        }
    }

    static List<Path> studies() {
        return List.of(
                CONFIGS.resolve("studies/hdit-ablation.yaml"),
                CONFIGS.resolve("studies/cifar10.yaml"),
                CONFIGS.resolve("studies/diffit-ddpmpp.yaml"));
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
