package org.mezzotint.bench;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.mezzotint.app.bench.Task;

/**
 * How to start a process that is measured, and what to call it.
 *
 * @param name in reports
 * @param command that serves
 */
record Side(String name, List<String> command) {
    /** How the peer of HDiT computes its local attention. */
    enum Attention {
        /** All tokens under a mask. */
        MASKED_SDPA("masked-sdpa"),
        /** Flex attention in a compiled network, which cannot train on a CPU. */
        FLEX("flex");

        private final String option;

        Attention(String option) {
            this.option = option;
        }

        @Override
        public String toString() {
            return option;
        }
    }

    /**
     * What both sides have in common.
     *
     * @param model one of {@link Task#NAMES}
     * @param size side of the picture
     * @param batch pictures a step
     * @param threads of the process
     * @param checkpointing whether training keeps the blocks' inputs only
     */
    record Setting(String model, int size, int batch, int threads, boolean checkpointing) {
        /** Checks the names and the numbers. */
        Setting {
            Task.named(model, size);
            if (batch < 1 || threads < 1) {
                throw new IllegalArgumentException(
                        "--batch and --threads must be at least 1, got " + batch + " and " + threads);
            }
        }

        private List<String> options() {
            List<String> options = new ArrayList<>(
                    List.of("--batch", Integer.toString(batch), "--threads", Integer.toString(threads)));
            if (checkpointing) {
                options.add("--checkpointing");
            }
            return options;
        }
    }

    static Side ours(Path root, Setting setting, String precision) {
        List<String> command = new ArrayList<>(List.of(
                root.resolve("mezzotint").toAbsolutePath().toString(),
                "bench",
                "--serve",
                "--model",
                setting.model(),
                "--size",
                Integer.toString(setting.size()),
                "--precision",
                precision));
        command.addAll(setting.options());
        return new Side("ours " + precision, command);
    }

    /** {@code attention} counts for HDiT only. */
    static Side peer(
            Path root, String python, Setting setting, String precision, Attention attention, boolean compiled) {
        boolean hdit = setting.model().equals("hdit");
        String size = Integer.toString(setting.size());
        List<String> own = // script and its own options
                switch (setting.model()) {
                    case "dit-s/2" -> List.of("dit_peer.py", "--input", Integer.toString(setting.size() / 8));
                    case "diffit" -> List.of("diffit_peer.py", "--input", Integer.toString(setting.size() / 8));
                    case "diffit-cifar10" -> List.of("diffit_image_peer.py");
                    case "hdit" -> List.of("hdit_peer.py", "--size", size, "--attention", attention.toString());
                    case "simple-unet", "uvit" -> List.of("simple_peer.py", "--model", setting.model(), "--size", size);
                    default -> throw new IllegalArgumentException("--model " + setting.model() + " has no peer");
                };
        if (List.of("dit-s/2", "diffit").contains(setting.model()) && setting.checkpointing()) {
            throw new IllegalArgumentException("--checkpointing has no peer for --model " + setting.model());
        }
        Path script = root.resolve("bench/peer").resolve(own.get(0));
        List<String> command =
                new ArrayList<>(List.of(python, script.toAbsolutePath().toString(), "serve"));
        command.addAll(own.subList(1, own.size()));
        command.addAll(setting.options());
        if (precision.equals("bfloat16")) {
            command.add("--bf16");
        }
        if (compiled) {
            command.add("--compile");
        }
        String kind = hdit ? " " + attention : "";
        boolean eager = !compiled && !(hdit && attention == Attention.FLEX);
        return new Side("peer " + precision + kind + (eager ? " eager" : " compiled"), command);
    }

    /** Starts the process, in the repository's folder. */
    Server start(Path root) {
        return new Server(name, command, root.toAbsolutePath());
    }
}
