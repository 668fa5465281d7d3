package org.mezzotint.app.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;

/**
 * Runs the tool inside this process and keeps what it prints.
 *
 * @param code the exit code
 * @param out standard output
 * @param err standard error
 */
record Cli(int code, String out, String err) {
    /** Eleven steps of a tiny DiT on 8×8 shapes of four classes: the recipe that core's tests use. */
    static final Path TINY = Path.of("../core/src/test/resources/recipes/tiny.yaml");

    /** The like for HDiT, with preconditioned training. */
    static final Path TINY_HDIT = Path.of("../core/src/test/resources/recipes/tiny-hdit.yaml");

    /** The like for DiffiT in image space, with EDM's training and augmentation. */
    static final Path TINY_DIFFIT_IMAGE = Path.of("../core/src/test/resources/recipes/tiny-diffit-image.yaml");

    /** Runs a command line; arguments may be paths. */
    static Cli run(Object... arguments) {
        String[] words = Stream.of(arguments).map(Object::toString).toArray(String[]::new);
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        ByteArrayOutputStream err = new ByteArrayOutputStream();
        PrintStream realOut = System.out;
        PrintStream realErr = System.err;
        try (PrintStream newOut = new PrintStream(out, true, StandardCharsets.UTF_8);
                PrintStream newErr = new PrintStream(err, true, StandardCharsets.UTF_8)) {
            System.setOut(newOut);
            System.setErr(newErr);
            int code = Main.execute(words);
            return new Cli(code, out.toString(StandardCharsets.UTF_8), err.toString(StandardCharsets.UTF_8));
        } finally {
            System.setOut(realOut);
            System.setErr(realErr);
        }
    }

    /** Expects success and silence on standard error. */
    Cli ok() {
        assertThat(err).isEmpty();
        assertThat(code).isZero();
        return this;
    }

    /** Expects one line "error: …" with these words and, for wrong usage only, the hint at --help below it. */
    void fails(int expected, String... words) {
        List<String> lines = err.lines().toList();
        assertThat(lines).as(err).hasSize(expected == 2 ? 2 : 1);
        assertThat(lines.get(0)).startsWith("error: ").contains(words);
        if (expected == 2) {
            assertThat(lines.get(1)).matches("Try 'mezzotint.* --help'\\.");
        }
        assertThat(code).as(err).isEqualTo(expected);
    }

    /** Writes a variant of the tiny recipe in which one text is replaced. */
    static Path recipe(Path file, String from, String to) {
        try {
            String text = Files.readString(TINY);
            assertThat(text).contains(from);
            return Files.writeString(file, text.replace(from, to));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** The tiny recipe on pictures of one's own. */
    static Path pictureRecipe(Path file, String onBroken) {
        return recipe(
                file,
                """
                data:
                  type: shapes
                  size: 30
                  shapes: 2
                  colours: 2
                  seed: 3
                  augmentation: 0.0
                  loaderThreads: 2
                  onBroken: fail
                """,
                "data: {type: pictures, flip: true, augmentation: 0.0, maxPixels: 100000000, loaderThreads: 1, onBroken: "
                        + onBroken + "}\n");
    }

    /** Relative paths of all files below a folder, sorted. */
    static List<String> files(Path folder) {
        try (Stream<Path> all = Files.walk(folder)) {
            return all.filter(Files::isRegularFile)
                    .map(path -> folder.relativize(path).toString())
                    .sorted()
                    .toList();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
