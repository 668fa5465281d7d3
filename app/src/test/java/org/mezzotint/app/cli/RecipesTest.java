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
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.mezzotint.io.Yaml;
import org.mezzotint.models.NamedDiffiT;
import org.mezzotint.models.NamedHDiT;
import org.mezzotint.models.NamedImageDiffiT;

/** The recipes and studies in configs/ fit this version. */
class RecipesTest {
    private static final Path CONFIGS = Path.of("../configs");

    static List<Path> recipes() throws IOException {
        return files(false);
    }

    static List<Path> studies() throws IOException {
        return files(true);
    }

    private static List<Path> files(boolean studies) throws IOException {
        List<Path> found = new ArrayList<>();
        try (Stream<Path> files = Files.walk(CONFIGS)) {
            for (Path file :
                    (Iterable<Path>) files.filter(each -> each.toString().endsWith(".yaml"))::iterator) {
                if (Files.readString(file).contains("\nrows:") == studies) {
                    found.add(file);
                }
            }
        }
        return found;
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
