package org.mezzotint.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Clock;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.bytedeco.pytorch.Device;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.mezzotint.data.Dataset;
import org.mezzotint.data.Subset;
import org.mezzotint.io.InputException;
import org.mezzotint.io.Yaml;

/** A run with a loss over several scales: what its log says of each. */
class MultiscaleTrainingTest {
    @TempDir
    private Path folder;

    private static TrainConfig config(int firstScale, int accumulation) throws IOException {
        String recipe = new String(
                MultiscaleTrainingTest.class
                        .getResourceAsStream("/recipes/tiny.yaml")
                        .readAllBytes(),
                StandardCharsets.UTF_8);
        String schedule = "{type: shifted-cosine, logSnrMin: -15.0, logSnrMax: 15.0, referenceSize: 4, imageSize: 8,"
                + " ends: moved}";
        String weighting = "{type: multiscale, firstScale: " + firstScale + ", levels: {type: space, of: eps}}";
        return Yaml.parse(
                recipe,
                "tiny.yaml",
                Map.of(
                        "diffusion.schedule",
                        schedule,
                        "diffusion.weighting",
                        weighting,
                        "sampling",
                        "{solver: ddpm-interpolated, eta: 0.2, steps: '4', grid: {type: schedule},"
                                + " guidance: 1.5, guidanceSchedule: {type: constant}, guidedChannels: all,"
                                + " roundTimes: false, clip: true}",
                        "training.durationImages",
                        "40",
                        "training.accumulation",
                        Integer.toString(accumulation)),
                TrainConfig.class);
    }

    private List<String> train(String name, TrainConfig config) throws IOException {
        Path out = folder.resolve(name);
        Device cpu = new Device("cpu");
        try (Dataset all = config.data().open(Optional.empty(), 8, 8, 3)) {
            Subset.Split split = Subset.split(all, config.validation().images());
            RunDirectory directory = RunDirectory.create(out, config);
            try (TrainState state = Trainer.start(config, all.fingerprint(), 2, cpu);
                    Trainer trainer = new Trainer(
                            directory,
                            state,
                            split.train(),
                            Optional.of(new Validator(config.diffusion(), split.validation(), 4)),
                            List.of(new RunLog(directory, 2, Clock.systemUTC())))) {
                trainer.run(() -> false);
            }
        }
        return Files.readAllLines(out.resolve("metrics.csv"));
    }

    @Test
    void eachScaleIsLoggedByItselfAndTheLossIsTheirWeightedSum() throws IOException {
        List<String> rows = train("whole", config(2, 1));
        assertThat(rows.get(0))
                .isEqualTo("images,step,loss,mse,vlb,gradient_norm,learning_rate,images_per_second,"
                        + "mse_2,mse_4,mse_8");
        List<String> parts = train("parts", config(2, 4));
        for (int i = 1; i < rows.size(); i++) {
            String[] row = rows.get(i).split(",", -1);
            double sum =
                    Double.parseDouble(row[8]) / 2 + Double.parseDouble(row[9]) / 4 + Double.parseDouble(row[10]) / 8;
            assertThat(Double.parseDouble(row[2])).isCloseTo(sum, within(1e-6));
            // averaging loses what pixels do not share
            assertThat(Double.parseDouble(row[8])).isLessThan(Double.parseDouble(row[10]));
            String[] accumulated = parts.get(i).split(",", -1);
            for (int column : new int[] {2, 8, 9, 10}) {
                assertThat(Double.parseDouble(accumulated[column]))
                        .isCloseTo(Double.parseDouble(row[column]), within(1e-4));
            }
        }
        try (var files = Files.list(folder.resolve("whole"))) {
            Path events = files.filter(file -> file.getFileName().toString().contains("tfevents"))
                    .findFirst()
                    .orElseThrow();
            assertThat(new String(Files.readAllBytes(events), StandardCharsets.ISO_8859_1))
                    .contains("train/mse_2", "train/mse_4", "train/mse_8");
        }
        assertThat(Files.readAllLines(folder.resolve("whole/validation.csv"))).hasSizeGreaterThan(1);
    }

    @Test
    void aFirstScaleThatDoesNotFitTheModelIsRefusedBeforeTraining() {
        assertThatThrownBy(() -> config(16, 1))
                .isInstanceOf(InputException.class)
                .hasMessageContaining("firstScale must be at most the picture's shorter side, got 16 for 8x8");
        assertThatThrownBy(() -> config(3, 1)).hasMessageContaining("got 3 for 8x8");
    }
}
