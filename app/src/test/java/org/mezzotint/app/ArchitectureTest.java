package org.mezzotint.app;

import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.noClasses;

import com.tngtech.archunit.core.importer.ImportOption;
import com.tngtech.archunit.junit.AnalyzeClasses;
import com.tngtech.archunit.junit.ArchTest;
import com.tngtech.archunit.lang.ArchRule;
import java.io.PrintStream;

@AnalyzeClasses(packages = "org.mezzotint", importOptions = ImportOption.DoNotIncludeTests.class)
class ArchitectureTest {
    @ArchTest
    static final ArchRule nothingImportsTheTool = noClasses()
            .that()
            .resideOutsideOfPackage("org.mezzotint.app..")
            .should()
            .dependOnClassesThat()
            .resideInAPackage("org.mezzotint.app..");

    @ArchTest
    static final ArchRule workloadsDoNotKnowTheCommandLine = noClasses()
            .that()
            .resideOutsideOfPackage("org.mezzotint.app.cli..")
            .should()
            .dependOnClassesThat()
            .resideInAnyPackage("org.mezzotint.app.cli..", "picocli..", "me.tongfei..");

    @ArchTest
    static final ArchRule onlyTheCommandLineKnowsStandardOutputAndError = noClasses()
            .that()
            .resideOutsideOfPackage("org.mezzotint.app.cli..")
            .should()
            .accessField(System.class, "out")
            .orShould()
            .accessField(System.class, "err")
            .orShould()
            .accessField(System.class, "in")
            .orShould()
            .dependOnClassesThat()
            .areAssignableTo(PrintStream.class)
            .orShould()
            .callMethod(Throwable.class, "printStackTrace");

    @ArchTest
    static final ArchRule onlyTheCommandLineEndsTheProcessOrReadsItsSurroundings = noClasses()
            .that()
            .resideOutsideOfPackage("org.mezzotint.app.cli..")
            .should()
            .callMethod(System.class, "exit", int.class)
            .orShould()
            .callMethod(Runtime.class, "halt", int.class)
            .orShould()
            .callMethod(Runtime.class, "exit", int.class)
            .orShould()
            .callMethod(System.class, "getenv", String.class)
            .orShould()
            .callMethod(System.class, "getenv")
            .orShould()
            .callMethod(System.class, "getProperty", String.class)
            .orShould()
            .callMethod(System.class, "getProperty", String.class, String.class)
            .orShould()
            .callMethod(Boolean.class, "getBoolean", String.class);
}
