package org.mezzotint.app.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.awt.image.BufferedImage;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.IntStream;
import javax.imageio.ImageIO;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.mezzotint.io.AtomicFiles;

class StudyCommandTest {
    @TempDir
    private Path folder;

    private Path study(String budget, String rows) {
        return study(budget, 4, 3, rows);
    }

    private Path study(String budget, int pictures, int samples, String rows) {
        return study(budget, pictures, samples, 1, rows);
    }

    private Path study(String budget, int pictures, int samples, int columns, String rows) {
        Path file = folder.resolve("study.yaml");
        AtomicFiles.writeString(
                file,
                "budget: " + budget + "\npictures: " + pictures + "\nsamples: " + samples + "\ncolumns: " + columns
                        + "\nrows: " + rows + "\n");
        return file;
    }

    private static String row(String name, Path recipe, String set) {
        return "{name: " + name + ", recipe: " + recipe.toAbsolutePath() + ", set: {" + set + "}}";
    }

    private Path two() {
        return study(
                "{type: images, images: 48}",
                "[" + row("dit", Cli.TINY, "") + ", "
                        + row("hdit", Cli.TINY_HDIT, "training.learningRate: \"0.002\", model.levels.0.depth: \"2\"")
                        + "]");
    }

    private String text(String name) throws IOException {
        return Files.readString(folder.resolve("out").resolve(name));
    }

    @Test
    void rowsAreTrainedWithOneBudgetAndCompared() throws IOException {
        Path out = folder.resolve("out");
        String printed = Cli.run("study", two(), "--out", out).ok().out();
        List<String> table = text("table.md").lines().toList();
        assertThat(table).hasSize(4);
        assertThat(table.get(2)).matches("\\| dit \\| [0-9,]+ \\| 0\\.[0-9]{3} \\| 48 \\| 0\\.[0-9] \\| [0-9.]+ \\|");
        assertThat(table.get(3)).startsWith("| hdit |").contains("| 48 |");
        assertThat(printed).contains(table.get(3), "denoising error");
        assertThat(text("hdit/config.yaml")).contains("learningRate: 0.002", "durationImages: 48");
        // the validation at 40 pictures and the end
        assertThat(text("dit/denoising.csv").lines().map(line -> line.split(",", 2)[0]))
                .containsExactly("images", "40", "48");
        assertThat(ImageIO.read(out.resolve("samples.png").toFile()).getWidth()).isEqualTo(3 * 10 + 2 + 4);
        assertThat(ImageIO.read(out.resolve("curves.png").toFile()).getWidth()).isEqualTo(1000);

        String again = Cli.run("study", two(), "--out", out).ok().out();
        assertThat(again).doesNotContain("of training");
        assertThat(text("table.md").lines().toList()).isEqualTo(table);
    }

    /** As if the process had been killed after the first checkpoint: the curve's later point is dropped and made again. */
    @Test
    void anInterruptedRowGoesOn() throws IOException {
        Path out = folder.resolve("out");
        Cli.run("study", two(), "--out", out, "--only", "dit").ok();
        String curve = text("dit/denoising.csv");
        AtomicFiles.deleteRecursively(out.resolve("dit/checkpoints/000000048"));
        Files.delete(out.resolve("dit/samples.png"));
        String printed = Cli.run("study", two(), "--out", out).ok().out();
        assertThat(printed).contains("dit (1 of 2): denoising error", "hdit (2 of 2)");
        assertThat(withoutSeconds(text("dit/denoising.csv"))).isEqualTo(withoutSeconds(curve));
        assertThat(out.resolve("samples.png")).exists();
    }

    /** A place for each row from the start, so that sizes and patches stay in their rows and columns. */
    @Test
    void theSheetCanShowRowsSideBySide() throws IOException {
        Path out = folder.resolve("out");
        String rows =
                "[" + row("a", Cli.TINY, "") + ", " + row("b", Cli.TINY, "") + ", " + row("c", Cli.TINY, "") + "]";
        Path square = study("{type: images, images: 48}", 4, 1, 2, rows);
        Cli.run("study", square, "--out", out, "--only", "c").ok();
        BufferedImage sheet = ImageIO.read(out.resolve("samples.png").toFile());
        // a strip of one picture of 8×8 is 12 wide with its margins
        assertThat(List.of(sheet.getWidth(), sheet.getHeight())).containsExactly(2 * 14 + 2, 2 * 14 + 2);
        assertThat(white(sheet, 2, 2)).isTrue();
        assertThat(white(sheet, 16, 2)).isTrue();
        assertThat(white(sheet, 2, 16)).isFalse();
        for (String plot : List.of("costs.png", "compute.png")) {
            assertThat(out.resolve(plot)).exists();
        }
        Path wide = study("{type: images, images: 48}", 4, 1, 4, rows);
        Cli.run("study", wide, "--out", out).fails(3, "columns must be 1 to the number of rows, got 4 for 3");
    }

    private static boolean white(BufferedImage sheet, int left, int top) {
        return IntStream.range(0, 12 * 12)
                .allMatch(i -> (sheet.getRGB(left + i % 12, top + i / 12) & 0xffffff) == 0xffffff);
    }

    private static List<String> withoutSeconds(String curve) {
        return curve.lines().map(line -> line.replaceFirst(",[^,]*", "")).toList();
    }

    @Test
    void aBudgetOfMinutesEndsARow() throws IOException {
        Path file = study("{type: minutes, minutes: 0.002}", "[" + row("dit", Cli.TINY, "") + "]");
        Cli.run("study", file, "--out", folder.resolve("out")).ok();
        String last = text("dit/denoising.csv").lines().reduce((a, b) -> b).orElseThrow();
        assertThat(Double.parseDouble(last.split(",", 3)[1])).isGreaterThanOrEqualTo(0.12);
        assertThat(Cli.run("study", file, "--out", folder.resolve("out")).ok().out())
                .doesNotContain("of training");
    }

    @Test
    void aFinishedRowBelongsToItsRecipe() {
        Path out = folder.resolve("out");
        Cli.run("study", two(), "--out", out, "--only", "dit").ok();
        Path other =
                study("{type: images, images: 48}", "[" + row("dit", Cli.TINY, "training.learningRate: \"0.5\"") + "]");
        Cli.run("study", other, "--out", out)
                .fails(3, "row dit: the recipe is not the one that the run in", "was started with; training was");
        Path shorter = study("{type: images, images: 40}", "[" + row("dit", Cli.TINY, "") + "]");
        Cli.run("study", shorter, "--out", out).fails(3, "row dit has seen 48 pictures, more than the budget of 40");
        Path others = study("{type: images, images: 48}", 5, 3, "[" + row("dit", Cli.TINY, "") + "]");
        Cli.run("study", others, "--out", out).fails(3, "row dit was measured on 4 pictures, the study asks for 5");
    }

    @Test
    void whatDoesNotConcernTheTrainingMayChange() throws IOException {
        Path out = folder.resolve("out");
        Cli.run("study", two(), "--out", out, "--only", "dit").ok();
        Path wider = study(
                "{type: images, images: 48}",
                4,
                5,
                "[" + row("dit", Cli.TINY, "expected.result: \"another\", sampling.steps: \"'6'\"") + "]");
        assertThat(Cli.run("study", wider, "--out", out).ok().out()).doesNotContain("of training");
        assertThat(ImageIO.read(out.resolve("samples.png").toFile()).getWidth()).isEqualTo(5 * 10 + 2 + 4);
    }

    @Test
    void oneRowAloneKeepsTheOthersInTheTable() throws IOException {
        Path out = folder.resolve("out");
        Cli.run("study", two(), "--out", out).ok();
        String table = text("table.md");
        Cli.run("study", two(), "--out", out, "--only", "hdit").ok();
        assertThat(text("table.md")).isEqualTo(table);
    }

    @Test
    void aRowThatDivergesIsNotedAndTheOthersAreTrained() throws IOException {
        Path out = folder.resolve("out");
        Path file = study(
                "{type: images, images: 48}",
                "[" + row("wild", Cli.TINY, "training.learningRate: \"1.0e+30\", training.gradientClip: \"0.0\"") + ", "
                        + row("dit", Cli.TINY, "") + "]");
        for (int i = 0; i < 2; i++) {
            Cli run = Cli.run("study", file, "--out", out);
            assertThat(run.code()).isEqualTo(4);
            assertThat(text("table.md")).contains("| wild |", "| diverged |", "| dit |");
        }
        assertThat(text("wild/diverged.txt")).startsWith("training diverged: ");
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', textBlock = """
            {type: images, images: 0}   | []                                               | images must be at least 1, got 0
            {type: minutes, minutes: 0} | []                                               | minutes must be above 0, got 0.0
            {type: images, images: 8}   | []                                               | a study needs rows
            {type: images, images: 8}   | [{name: a/b, recipe: x, set: {}}]                | a row's name must be 1 to 64 letters
            {type: images, images: 8}   | [{name: a, recipe: nowhere.yaml, set: {}}]       | recipe not found: nowhere.yaml
            {type: images, images: 8}   | [{name: a, recipe: configs/quickstart.yaml, set: {model.deph: "3"}}] | model.deph
            {type: minutes, minutes: 1} | [{name: a, recipe: configs/quickstart.yaml, set: {}}] | row a: a cosine learning rate needs a budget of images
            {type: images, images: 8}   | [{name: a, recipe: configs/quickstart.yaml, set: {}}, {name: b, recipe: configs/cifar10-dit.yaml, set: {}}] | rows must have pictures of one size and the same ones held out, a and b differ
            {type: images, images: 8}   | [{name: a, recipe: configs/quickstart.yaml, set: {}}, {name: a, recipe: configs/quickstart.yaml, set: {}}] | two rows are called a
            {type: images, images: 8}   | [{name: a, recipe: configs/quickstart.yaml, set: {validation.images: "2"}}] | row a: the study compares on 4 pictures, the recipe holds out validation.images of 2
            """)
    void wrongStudiesAreOneLine(String budget, String rows, String message) {
        Cli.run("study", study(budget, rows), "--out", folder.resolve("out")).fails(3, message);
        assertThat(folder.resolve("out")).doesNotExist();
    }

    @Test
    void unknownRowsAndFilesAreNamed() {
        Cli.run("study", two(), "--out", folder.resolve("out"), "--only", "dat").fails(2, "--only: ", "has no row dat");
        Cli.run("study", folder.resolve("none.yaml"), "--out", folder.resolve("out"))
                .fails(3, "none.yaml");
    }
}
