package org.mezzotint;

import static com.tngtech.archunit.base.DescribedPredicate.not;
import static com.tngtech.archunit.core.domain.JavaClass.Predicates.resideInAPackage;
import static com.tngtech.archunit.core.domain.JavaClass.Predicates.resideInAnyPackage;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.classes;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.noClasses;
import static com.tngtech.archunit.library.GeneralCodingRules.NO_CLASSES_SHOULD_ACCESS_STANDARD_STREAMS;
import static com.tngtech.archunit.library.GeneralCodingRules.NO_CLASSES_SHOULD_USE_JAVA_UTIL_LOGGING;
import static com.tngtech.archunit.library.dependencies.SlicesRuleDefinition.slices;
import static org.assertj.core.api.Assertions.assertThat;

import com.tngtech.archunit.core.domain.JavaClass;
import com.tngtech.archunit.core.domain.JavaClasses;
import com.tngtech.archunit.core.importer.ClassFileImporter;
import com.tngtech.archunit.core.importer.ImportOption;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Arrows between packages point one way: the table of docs/index.md. */
class ArchitectureTest {
    private static final JavaClasses CORE = new ClassFileImporter()
            .withImportOption(new ImportOption.DoNotIncludeTests())
            .importPackages("org.mezzotint");

    private static final Set<String> PACKAGES = Set.of(
            "tensor",
            "parallel",
            "io",
            "data",
            "diffusion",
            "models",
            "models.layers",
            "autoencoders",
            "text",
            "train",
            "sample",
            "convert",
            "eval");

    @ParameterizedTest
    @CsvSource({
        "tensor, ''",
        "parallel, tensor",
        "io, tensor",
        "diffusion, tensor",
        "models.layers, tensor",
        "data, tensor io",
        "models, tensor io models.layers",
        "autoencoders, tensor io models.layers",
        "text, tensor io models.layers",
        "train, tensor parallel io data diffusion models models.layers autoencoders text",
        "sample, tensor io diffusion",
        "convert, tensor io data diffusion models models.layers autoencoders train",
        "eval, tensor io data"
    })
    void aPackageImportsNoMoreThanTheTableAllows(String name, String allowed) {
        assertThat(PACKAGES).contains(name);
        String[] packages = Stream.concat(Stream.of(name), Stream.of(allowed.split(" ", -1)))
                .filter(each -> !each.isEmpty())
                .map(each -> "org.mezzotint." + each)
                .toArray(String[]::new);
        classes()
                .that(resideInAPackage("org.mezzotint." + name))
                .should()
                .onlyDependOnClassesThat(
                        not(resideInAPackage("org.mezzotint..")).or(resideInAnyPackage(packages)))
                .allowEmptyShould(true) // packages to come
                .check(CORE);
    }

    @Test
    void everyPackageHasItsRowInTheTable() {
        Set<String> packages = CORE.stream()
                .map(JavaClass::getPackageName)
                .map(name -> name.substring("org.mezzotint.".length()))
                .collect(Collectors.toCollection(TreeSet::new));
        assertThat(packages).isNotEmpty().isSubsetOf(PACKAGES);
    }

    @Test
    void packagesFormNoCycles() {
        slices().matching("org.mezzotint.(**)").should().beFreeOfCycles().check(CORE);
    }

    @Test
    void tensorNeedsLibtorchOnly() {
        classes()
                .that(resideInAPackage("org.mezzotint.tensor"))
                .should()
                .onlyDependOnClassesThat(resideInAnyPackage("java..", "org.bytedeco..", "org.mezzotint.tensor"))
                .check(CORE);
    }

    /** Latents lie in safetensors, whose reader gives tensors; their data set hands over arrays all the same. */
    @Test
    void dataHandsOverJavaArraysNotTensors() {
        noClasses()
                .that(resideInAPackage("org.mezzotint.data"))
                .and()
                .haveNameNotMatching(".*[.]Latent.*")
                .should()
                .dependOnClassesThat(resideInAPackage("org.bytedeco.."))
                .check(CORE);
    }

    @Test
    void theLibraryNeverEndsTheProcess() {
        noClasses()
                .should()
                .callMethod(System.class, "exit", int.class)
                .orShould()
                .callMethod(Runtime.class, "exit", int.class)
                .orShould()
                .callMethod(Runtime.class, "halt", int.class)
                .check(CORE);
    }

    @Test
    void theLibraryPrintsNothing() {
        NO_CLASSES_SHOULD_ACCESS_STANDARD_STREAMS.check(CORE); // includes printStackTrace
        NO_CLASSES_SHOULD_USE_JAVA_UTIL_LOGGING.check(CORE);
    }

    @Test
    void theLibraryReadsNoEnvironmentAndNoProperties() {
        noClasses()
                .should()
                .callMethod(System.class, "getenv")
                .orShould()
                .callMethod(System.class, "getenv", String.class)
                .orShould()
                .callMethod(System.class, "getProperty", String.class)
                .orShould()
                .callMethod(System.class, "getProperty", String.class, String.class)
                .check(CORE);
    }

    @Test
    void namesSayWhatAClassIs() {
        noClasses()
                .should()
                .haveSimpleNameEndingWith("Util")
                .orShould()
                .haveSimpleNameEndingWith("Utils")
                .orShould()
                .haveSimpleNameEndingWith("Helper")
                .orShould()
                .haveSimpleNameEndingWith("Manager")
                .check(CORE);
    }

    @Test
    void classesThatNothingExtendsAreFinal() {
        List<String> open = CORE.stream()
                .filter(each -> !each.isInterface()
                        && !each.isEnum()
                        && !each.isAnonymousClass()
                        && each.getSubclasses().isEmpty())
                .filter(each -> each.getModifiers().stream()
                        .noneMatch(modifier -> modifier.name().equals("FINAL")
                                || modifier.name().equals("ABSTRACT")))
                .map(JavaClass::getName)
                .toList();
        assertThat(open).isEmpty();
    }

    @Test
    void everyPackageSaysWhatItIsForInTenToFortyLines() throws IOException {
        Path sources = Path.of("src", "main", "java", "org", "mezzotint");
        try (Stream<Path> files = Files.walk(sources)) {
            List<Path> packages = files.filter(file -> file.toString().endsWith(".java"))
                    .map(Path::getParent)
                    .distinct()
                    .toList();
            assertThat(packages).hasSizeGreaterThan(5);
            for (Path each : packages) {
                Path info = each.resolve("package-info.java");
                assertThat(info).exists();
                assertThat(Files.readAllLines(info)).as(info.toString()).hasSizeBetween(10, 40);
            }
        }
    }
}
