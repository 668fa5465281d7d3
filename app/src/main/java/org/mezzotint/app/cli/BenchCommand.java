package org.mezzotint.app.cli;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.time.Instant;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.function.DoubleSupplier;
import org.mezzotint.app.bench.Task;
import org.mezzotint.app.bench.Workload;
import org.mezzotint.io.Yaml;
import org.mezzotint.tensor.Precision;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** Measures this machine. */
@Command(
        name = "bench",
        mixinStandardHelpOptions = true,
        description = {
            "Measure this machine: training step and sampling step of a model on random pictures.",
            "docs/benchmarks.md compares these with PyTorch."
        })
final class BenchCommand implements Callable<Integer> {
    @Option(
            names = "--model",
            paramLabel = "NAME",
            defaultValue = "dit-s/2",
            description = {
                "dit-s/2 or diffit on latents, small ones on pixels: dit-pixels, hdit, simple-unet and uvit,",
                "or diffit-cifar10 as published, with --size 32 (default: dit-s/2)"
            })
    private String model;

    @Option(
            names = "--size",
            paramLabel = "PIXELS",
            defaultValue = "256",
            description = "side of the picture (default: 256)")
    private int size;

    @Option(names = "--checkpointing", description = "train with activation checkpointing")
    private boolean checkpointing;

    @Option(names = "--batch", paramLabel = "N", defaultValue = "8", description = "pictures a step (default: 8)")
    private int batch;

    @Option(names = "--iterations", paramLabel = "N", defaultValue = "10", description = "measured steps (default: 10)")
    private int iterations;

    @Option(
            names = "--warmup",
            paramLabel = "N",
            defaultValue = "3",
            description = "steps before measuring (default: 3)")
    private int warmup;

    @Option(
            names = "--precision",
            paramLabel = "NAME",
            defaultValue = "float32",
            description = "float32 or bfloat16 (default: float32)")
    private String precision;

    @Option(names = "--json", description = "one JSON object a workload")
    private boolean json;

    @Option(
            names = "--serve",
            description =
                    "read 'train N', 'sample N', 'rss' and 'quit' from standard input and answer each with a JSON line")
    private boolean serve;

    @Mixin
    private MachineOptions machine;

    @Override
    public Integer call() {
        if (batch < 1 || iterations < 1 || warmup < 0) {
            throw new IllegalArgumentException(
                    "--batch and --iterations must be at least 1, --warmup not negative, got " + batch + ", "
                            + iterations + " and " + warmup);
        }
        Precision numbers = Precision.parse(precision);
        Task task = Task.named(model, size);
        try (Workload workload = new Workload(task, batch, checkpointing, numbers, machine.open())) {
            if (serve) {
                serve(workload);
                return 0;
            }
            if (!json) {
                System.out.println(Version.machine());
            }
            double firstStep = Double.NaN;
            for (int i = 0; i < Math.max(1, warmup); i++) {
                workload.trainStep();
                firstStep = i == 0 ? secondsSinceStart() : firstStep;
            }
            report(workload.name() + " training step", workload::trainStep);
            for (int i = 0; i < warmup; i++) {
                workload.sampleStep();
            }
            report(workload.name() + " sampling step", workload::sampleStep);
            Map<String, Object> memory = new LinkedHashMap<>();
            memory.put("name", "process");
            memory.put("peak_rss_mb", Workload.peakResidentMegabytes());
            memory.put("start_to_first_step_s", firstStep);
            if (json) {
                System.out.println(Yaml.toJson(memory));
            } else {
                System.out.printf(
                        Locale.ROOT,
                        "%-28s peak memory %.0f MB, start to first training step %.2f s%n",
                        "process",
                        Workload.peakResidentMegabytes(),
                        firstStep);
            }
        }
        return 0;
    }

    private void report(String name, DoubleSupplier step) {
        double[] seconds = new double[iterations];
        for (int i = 0; i < iterations; i++) {
            seconds[i] = step.getAsDouble();
        }
        double[] sorted = seconds.clone();
        Arrays.sort(sorted);
        double median = sorted[iterations / 2];
        if (json) {
            Map<String, Object> facts = new LinkedHashMap<>();
            facts.put("name", name);
            facts.put("batch", batch);
            facts.put("precision", precision);
            facts.put("seconds", seconds);
            System.out.println(Yaml.toJson(facts));
        } else {
            System.out.printf(
                    Locale.ROOT,
                    "%-28s median %.3f s, least %.3f s, %.1f pictures/s (batch %d, %s)%n",
                    name,
                    median,
                    sorted[0],
                    batch / median,
                    batch,
                    precision);
        }
    }

    private static void serve(Workload workload) {
        System.out.println(Yaml.toJson(Map.of("ready", true)));
        try (BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8))) {
            for (String line = in.readLine(); line != null && !line.equals("quit"); line = in.readLine()) {
                Map<String, Object> answer = new LinkedHashMap<>();
                answer.put("command", line);
                if (line.matches("(train|sample) [0-9]{1,6}")) {
                    double[] seconds = new double[Integer.parseInt(line.substring(line.indexOf(' ') + 1))];
                    for (int i = 0; i < seconds.length; i++) {
                        seconds[i] = line.startsWith("train") ? workload.trainStep() : workload.sampleStep();
                    }
                    answer.put("seconds", seconds);
                    answer.put("since_start_s", secondsSinceStart());
                } else if (line.equals("rss")) {
                    answer.put("peak_rss_mb", Workload.peakResidentMegabytes());
                } else {
                    answer.put("error", "unknown command");
                }
                System.out.println(Yaml.toJson(answer));
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** Since the process began, the launcher's shell excluded. */
    private static double secondsSinceStart() {
        Instant started = ProcessHandle.current().info().startInstant().orElse(Instant.now());
        return Duration.between(started, Instant.now()).toMillis() / 1000.0;
    }
}
