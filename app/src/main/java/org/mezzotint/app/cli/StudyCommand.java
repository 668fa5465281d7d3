package org.mezzotint.app.cli;

import java.io.PrintStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.Callable;
import org.bytedeco.pytorch.Device;
import org.mezzotint.io.InputException;
import org.mezzotint.io.Yaml;
import org.mezzotint.train.TrainConfig;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** Trains several configurations with one budget and compares them. */
@Command(
        name = "study",
        mixinStandardHelpOptions = true,
        description = {
            "Train several configurations with one budget and compare them.",
            "Writes table.md, curves.png and samples.png (a row a configuration, equal seeds) into the study's folder.",
            "The denoising error is the unweighted squared error of the guessed clean picture at 16 noise levels, of the",
            "averaged weights, on held-out pictures. After an interruption, the same command goes on."
        })
final class StudyCommand implements Callable<Integer> {
    private static final int INTERRUPTED = 130;

    @Parameters(
            index = "0",
            paramLabel = "STUDY",
            description = "a YAML file, such as configs/studies/hdit-ablation.yaml")
    private Path study;

    @Option(
            names = "--data",
            paramLabel = "PATH",
            description = "folder or zip of pictures, classes as sub-folders, or a folder of MNIST's files")
    private Path data;

    @Option(names = "--out", paramLabel = "DIR", required = true, description = "the study's folder")
    private Path out;

    @Option(names = "--only", paramLabel = "ROWS", split = ",", description = "train these rows only, such as A,B2")
    private List<String> only = new ArrayList<>();

    @Mixin
    private MachineOptions machine;

    @Override
    public Integer call() {
        PrintStream console = System.out;
        StudyConfig config = Yaml.read(study, StudyConfig.class);
        List<StudyRow> rows = rows(config);
        Interrupts interrupts = Interrupts.handle();
        Device device = machine.open();
        List<StudyReport.Finished> finished = new ArrayList<>();
        String table = "";
        for (int i = 0; i < rows.size(); i++) {
            StudyReport.Finished row = rows.get(i).finished();
            String title = row.name() + " (" + (i + 1) + " of " + rows.size() + ")";
            if (!rows.get(i).run(Optional.ofNullable(data), device, title, interrupts::requested, console)) {
                console.println("interrupted; the same command goes on");
                return INTERRUPTED;
            }
            finished.add(row);
            table = new StudyReport(out, finished).write();
        }
        console.print(table);
        console.println("wrote " + out.resolve("table.md") + ", curves.png and samples.png");
        return 0;
    }

    /** All rows, checked before any is trained. */
    private List<StudyRow> rows(StudyConfig config) {
        for (String name : only) {
            if (config.rows().stream().noneMatch(row -> row.name().equals(name))) {
                throw new IllegalArgumentException("--only: " + study + " has no row " + name);
            }
        }
        List<StudyRow> rows = new ArrayList<>();
        for (StudyConfig.Row row : config.rows()) {
            if (only.isEmpty() || only.contains(row.name())) {
                Path beside = study.resolveSibling(row.recipe());
                String recipe = Files.isRegularFile(beside) ? beside.toString() : row.recipe();
                rows.add(new StudyRow(config, row, recipe, out.resolve(row.name())));
            }
        }
        TrainConfig first = rows.get(0).config();
        for (StudyRow row : rows) {
            TrainConfig other = row.config();
            if (other.model().height() != first.model().height()
                    || other.model().width() != first.model().width()
                    || other.model().channels() != first.model().channels()
                    || other.validation().images() != first.validation().images()) {
                throw new InputException("rows must have pictures of one size and equal validation.images, "
                        + rows.get(0).finished().name() + " and "
                        + row.finished().name() + " differ");
            }
        }
        return rows;
    }
}
