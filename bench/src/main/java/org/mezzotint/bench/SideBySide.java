package org.mezzotint.bench;

import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.concurrent.Callable;
import org.mezzotint.app.bench.Task;
import org.mezzotint.io.Yaml;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/** Compares training step, sampling step, memory and start of Mezzotint with those of its PyTorch peer. */
@Command(
        name = "side-by-side",
        mixinStandardHelpOptions = true,
        description = {
            "Compare Mezzotint with its PyTorch peer on random pictures or latents, in one run on this machine.",
            "A ratio above 1 means that ours is faster, or smaller."
        })
public final class SideBySide implements Callable<Integer> {
    /** What can be measured. */
    enum Workload {
        TRAIN("train"),
        SAMPLE("sample"),
        MEMORY("memory"),
        SAMPLE_MEMORY("sample-memory"),
        START("start"),
        ALL("all");

        private final String option;

        Workload(String option) {
            this.option = option;
        }

        @Override
        public String toString() {
            return option;
        }
    }

    private static final int FAILED = 3;
    private static final int USAGE = 2;
    private static final long ORDER_SEED = 1;

    @Option(names = "--python", paramLabel = "PATH", description = "an interpreter that has torch (default: python3)")
    private String python = "python3";

    @Option(names = "--root", paramLabel = "DIR", description = "of this repository (default: the current folder)")
    private Path root = Path.of("");

    @Option(
            names = "--workload",
            paramLabel = "NAME",
            description = "${COMPLETION-CANDIDATES} (default: all); memory and start share their processes")
    private Workload workload = Workload.ALL;

    @Option(
            names = "--model",
            paramLabel = "NAME",
            description =
                    "dit-s/2, hdit, diffit, diffit-cifar10 with --size 32, simple-unet or uvit (default: dit-s/2)")
    private String model = "dit-s/2";

    @Option(names = "--size", paramLabel = "PIXELS", description = "side of the picture (default: 256)")
    private int size = 256;

    @Option(names = "--checkpointing", description = "train with activation checkpointing, not dit-s/2 and diffit")
    private boolean checkpointing;

    @Option(
            names = "--peer-attention",
            paramLabel = "NAME",
            description = {
                "local attention of the peer of HDiT: ${COMPLETION-CANDIDATES} (default: masked-sdpa);",
                "flex is compiled, and for sampling only"
            })
    private Side.Attention peerAttention = Side.Attention.MASKED_SDPA;

    @Option(names = "--pairs", paramLabel = "N", description = "measured pairs of steps (default: 15)")
    private int pairs = 15;

    @Option(names = "--block", paramLabel = "N", description = "steps in a row, measured as their mean (default: 1)")
    private int block = 1;

    @Option(names = "--warmup", paramLabel = "N", description = "steps of each before measuring (default: 5)")
    private int warmup = 5;

    @Option(
            names = "--starts",
            paramLabel = "N",
            description = "pairs of fresh processes, for memory and start (default: 5)")
    private int starts = 5;

    @Option(names = "--batch", paramLabel = "N", description = "pictures a step (default: 8)")
    private int batch = 8;

    @Option(names = "--threads", paramLabel = "N", description = "of each process (default: one a core)")
    private int threads = Runtime.getRuntime().availableProcessors();

    @Option(names = "--precision", paramLabel = "NAME", description = "float32 or bfloat16, of both (default: float32)")
    private String precision = "float32";

    @Option(names = "--peer-compile", description = "let the peer compile its network (torch.compile)")
    private boolean peerCompile;

    @Option(names = "--ours-vs-ours", description = "compare ours in bfloat16 with ours in float32 instead")
    private boolean oursVsOurs;

    @Option(names = "--json", description = "one JSON object a line, with all measured values")
    private boolean json;

    private final SplittableRandom order = new SplittableRandom(ORDER_SEED);
    private Side first;
    private Side second;

    /**
     * Runs the comparison and ends the process: 0 done, 2 wrong usage, 3 a side failed.
     *
     * @param arguments the command line
     */
    public static void main(String... arguments) {
        System.exit(commandLine(new SideBySide()).execute(arguments));
    }

    /** A command whose failures are one line, with exit code 2 for a wrong argument and 3 for anything else. */
    static CommandLine commandLine(Callable<Integer> command) {
        CommandLine line = new CommandLine(command);
        line.setCaseInsensitiveEnumValuesAllowed(true);
        line.setExecutionExceptionHandler((e, at, parsed) -> {
            at.getErr().println("error: " + e.getMessage());
            return e instanceof IllegalArgumentException ? USAGE : FAILED;
        });
        return line;
    }

    @Override
    public Integer call() {
        if (pairs < 1 || block < 1 || warmup < 1 || starts < 1) {
            throw new IllegalArgumentException("numbers must be at least 1, got --pairs " + pairs + " --block " + block
                    + " --warmup " + warmup + " --starts " + starts);
        }
        if (!precision.equals("float32") && !precision.equals("bfloat16")) {
            throw new IllegalArgumentException("--precision must be float32 or bfloat16, got " + precision);
        }
        Side.Setting setting = new Side.Setting(model.toLowerCase(Locale.ROOT), size, batch, threads, checkpointing);
        first = Side.ours(root, setting, oursVsOurs ? "bfloat16" : precision);
        second = oursVsOurs
                ? Side.ours(root, setting, "float32")
                : Side.peer(root, python, setting, precision, peerAttention, peerCompile);
        boolean trains = wanted(Workload.TRAIN) || wanted(Workload.MEMORY) || wanted(Workload.START);
        if (!oursVsOurs && peerAttention == Side.Attention.FLEX && trains) {
            throw new IllegalArgumentException(
                    "--peer-attention flex cannot train: --workload must be sample or sample-memory");
        }
        if (!json) {
            System.out.printf(
                    Locale.ROOT,
                    "%s%s, batch %d, %d threads: %s and %s%n%n%-24s %12s %12s %8s  %s%n",
                    Task.named(model, size).name(),
                    checkpointing ? " checkpointing" : "",
                    batch,
                    threads,
                    first.name(),
                    second.name(),
                    "",
                    "first",
                    "second",
                    "ratio",
                    "95 % interval");
        }
        if (wanted(Workload.TRAIN) || wanted(Workload.SAMPLE)) {
            steps();
        }
        if (wanted(Workload.MEMORY) || wanted(Workload.START)) {
            trainingProcesses();
        }
        if (wanted(Workload.SAMPLE_MEMORY)) {
            samplingProcesses();
        }
        return 0;
    }

    private boolean wanted(Workload one) {
        return workload == Workload.ALL || workload == one;
    }

    /** Both processes stay alive and take turns; which one goes first is drawn anew for each pair. */
    private void steps() {
        try (Server a = first.start(root);
                Server b = second.start(root)) {
            for (Workload each : List.of(Workload.TRAIN, Workload.SAMPLE)) {
                if (wanted(each)) {
                    String kind = each.name().toLowerCase(Locale.ROOT);
                    a.steps(kind, warmup);
                    b.steps(kind, warmup);
                    double[] ofA = new double[pairs];
                    double[] ofB = new double[pairs];
                    for (int i = 0; i < pairs; i++) {
                        boolean aFirst = order.nextBoolean();
                        if (!aFirst) {
                            ofB[i] = b.steps(kind, block);
                        }
                        ofA[i] = a.steps(kind, block);
                        if (aFirst) {
                            ofB[i] = b.steps(kind, block);
                        }
                    }
                    report(each == Workload.TRAIN ? "training step" : "sampling step", "s", ofA, ofB);
                }
            }
        }
    }

    /** From a process's spawn to the answer of its first training step, then some more steps and its peak. */
    private void trainingProcesses() {
        double[][] seconds = new double[2][starts];
        double[][] megabytes = new double[2][starts];
        freshProcesses((side, i, server) -> {
            server.steps("train", 1);
            seconds[side][i] = server.age();
            if (wanted(Workload.MEMORY)) {
                server.steps("train", warmup);
                megabytes[side][i] = server.peakResidentMegabytes();
            }
        });
        if (wanted(Workload.MEMORY)) {
            report("peak memory, training", "MB", megabytes[0], megabytes[1]);
        }
        if (wanted(Workload.START)) {
            report("start to first step", "s", seconds[0], seconds[1]);
        }
    }

    /** The peak of processes that only sample. */
    private void samplingProcesses() {
        double[][] megabytes = new double[2][starts];
        freshProcesses((side, i, server) -> {
            server.steps("sample", 1 + warmup);
            megabytes[side][i] = server.peakResidentMegabytes();
        });
        report("peak memory, sampling", "MB", megabytes[0], megabytes[1]);
    }

    /** What is done with a fresh process, the {@code i}-th of side 0 or 1. */
    @FunctionalInterface
    private interface Use {
        void use(int side, int i, Server server);
    }

    /** One process at a time, the two sides in alternation. */
    private void freshProcesses(Use use) {
        for (int i = 0; i < starts; i++) {
            boolean swapped = order.nextBoolean();
            for (int turn = 0; turn < 2; turn++) {
                int side = swapped ? 1 - turn : turn;
                try (Server server = (side == 0 ? first : second).start(root)) {
                    use.use(side, i, server);
                }
            }
        }
    }

    private void report(String name, String unit, double[] a, double[] b) {
        Statistics.Ratio ratio = Statistics.ratio(a, b);
        if (json) {
            Map<String, Object> facts = new LinkedHashMap<>();
            facts.put("workload", name);
            facts.put("model", Task.named(model, size).name());
            facts.put("checkpointing", checkpointing);
            facts.put("unit", unit);
            facts.put("first", first.name());
            facts.put("second", second.name());
            facts.put("batch", batch);
            facts.put("threads", threads);
            facts.put("medianFirst", Statistics.median(a));
            facts.put("medianSecond", Statistics.median(b));
            facts.put("ratio", ratio.value());
            facts.put("low", ratio.low());
            facts.put("high", ratio.high());
            facts.put("valuesFirst", a);
            facts.put("valuesSecond", b);
            System.out.println(Yaml.toJson(facts));
            return;
        }
        String format = unit.equals("MB") ? "%.0f %s" : "%.4f %s";
        System.out.printf(
                Locale.ROOT,
                "%-24s %12s %12s %8.3f  %.3f to %.3f%n",
                name,
                String.format(Locale.ROOT, format, Statistics.median(a), unit),
                String.format(Locale.ROOT, format, Statistics.median(b), unit),
                ratio.value(),
                ratio.low(),
                ratio.high());
    }
}
