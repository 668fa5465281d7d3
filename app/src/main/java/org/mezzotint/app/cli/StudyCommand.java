package org.mezzotint.app.cli;

import java.io.PrintStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.Callable;
import org.bytedeco.pytorch.Device;
import org.mezzotint.data.Dataset;
import org.mezzotint.io.InputException;
import org.mezzotint.io.Yaml;
import org.mezzotint.models.ModelConfig;
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
            "Writes table.md, samples.png (equal seeds), and plots over pictures, over the network's cost and over the cost of"
                    + " training: curves.png, costs.png, compute.png.",
            "They compare by the denoising error: the unweighted squared error of the guessed clean picture at 16 noise"
                    + " levels, of the averaged weights, on held-out pictures.",
            "After an interruption, the same command goes on. A row that diverges is noted, and the others are trained all"
                    + " the same."
        })
final class StudyCommand implements Callable<Integer> {
    @Parameters(
            index = "0",
            paramLabel = "STUDY",
            description = "a YAML file, such as configs/studies/hdit-ablation.yaml")
    private Path study;

    @Option(
            names = "--data",
            paramLabel = "PATH",
            description =
                    "folder or zip of pictures, classes as sub-folders; tar shards, such as train-{000..146}.tar in"
                            + " quotes; or a folder of MNIST's files")
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
        checkOnly(rows);
        check(rows);
        Interrupts interrupts = Interrupts.handle();
        Device device = machine.open();
        String table = "";
        for (int i = 0; i < rows.size(); i++) {
            StudyRow row = rows.get(i);
            if (only.isEmpty() || only.contains(row.name())) {
                String title = row.name() + " (" + (i + 1) + " of " + rows.size() + ")";
                row.run(Optional.ofNullable(data), device, title, interrupts::requested, console);
                table = report(config, rows);
                if (interrupts.requested()) {
                    console.println("interrupted; the same command goes on");
                    return Interrupts.EXIT;
                }
            }
        }
        console.print(table);
        console.println("wrote " + out.resolve("table.md") + ", with plots and samples beside it");
        return rows.stream().anyMatch(row -> row.diverged().isPresent()) ? Main.DIVERGED : 0;
    }

    /** Of all rows that are done, whichever were asked for now. */
    private String report(StudyConfig config, List<StudyRow> rows) {
        return new StudyReport(
                        out,
                        config.columns(),
                        rows.stream().map(StudyRow::name).toList(),
                        rows.stream()
                                .filter(row -> row.diverged().isPresent() || row.trained())
                                .toList())
                .write();
    }

    private List<StudyRow> rows(StudyConfig config) {
        List<StudyRow> rows = new ArrayList<>();
        for (StudyConfig.Row row : config.rows()) {
            Path beside = study.resolveSibling(row.recipe());
            String recipe = Files.isRegularFile(beside) ? beside.toString() : row.recipe();
            rows.add(new StudyRow(config, row, recipe, out.resolve(row.name())));
        }
        return rows;
    }

    private void checkOnly(List<StudyRow> rows) {
        for (String name : only) {
            if (rows.stream().noneMatch(row -> row.name().equals(name))) {
                throw new IllegalArgumentException("--only: " + study + " has no row " + name);
            }
        }
    }

    /** All rows, before any is trained. */
    private void check(List<StudyRow> rows) {
        StudyRow first = rows.get(0);
        for (StudyRow row : rows) {
            if (!row.heldOut().equals(first.heldOut())) {
                throw new InputException("rows must have pictures of one size and the same ones held out, "
                        + first.name() + " and " + row.name() + " differ in model, data or validation.images");
            }
        }
        ModelConfig model = first.config().model();
        try (Dataset pictures = first.config()
                .data()
                .open(Optional.ofNullable(data), model.height(), model.width(), model.channels())) {
            TrainRun.heldOut(first.config(), pictures);
            rows.forEach(row -> row.check(pictures));
        }
    }
}
