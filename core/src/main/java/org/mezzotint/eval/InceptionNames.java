package org.mezzotint.eval;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.Function;
import org.bytedeco.pytorch.Tensor;
import org.mezzotint.io.CheckpointException;
import org.mezzotint.tensor.Shapes;
import org.mezzotint.tensor.Tensors;

/**
 * What the tensors of the FID network are called in the files that circulate. The names used here are pytorch-fid's and
 * torch-fidelity's ({@code Mixed_5b.branch1x1.conv.weight}); two other forms are translated to them:
 *
 * <ul>
 *   <li>pytorch-fid's wrapper: {@code blocks.2.0.…}, without the classifier;
 *   <li>the TorchScript file {@code inception-2015-12-05.pt}, whose modules are called after the nodes of TensorFlow's
 *       graph: {@code layers.mixed.tower.conv}, with {@code weight}, {@code beta}, {@code mean}, {@code var} and no scale.
 * </ul>
 */
final class InceptionNames {
    /** Counters of training that a file may hold or lack. */
    private static final String COUNTER = ".bn.num_batches_tracked";

    private static final List<String> STEM =
            List.of("Conv2d_1a_3x3", "Conv2d_2a_3x3", "Conv2d_2b_3x3", "Conv2d_3b_1x1", "Conv2d_4a_3x3");
    private static final List<String> MIXED = List.of(
            "Mixed_5b",
            "Mixed_5c",
            "Mixed_5d",
            "Mixed_6a",
            "Mixed_6b",
            "Mixed_6c",
            "Mixed_6d",
            "Mixed_6e",
            "Mixed_7a",
            "Mixed_7b",
            "Mixed_7c");

    private InceptionNames() {}

    /**
     * The tensors under our names, checked for presence and shape.
     *
     * @param file how messages call the file
     * @param names all that it holds
     * @param tensor gives a tensor by its name
     * @param convolutions our name of each convolution to its weight's shape
     * @return every tensor of the network; without {@code fc.…} if the file has no classifier
     * @throws CheckpointException listing everything missing, extra and mis-shaped at once
     */
    static Map<String, Tensor> read(
            String file, Set<String> names, Function<String, Tensor> tensor, Map<String, long[]> convolutions) {
        Map<String, String> wanted = new LinkedHashMap<>(); // our name to the file's
        Set<String> optional = new LinkedHashSet<>();
        if (names.stream().anyMatch(name -> name.startsWith("layers."))) {
            torchScript(convolutions.keySet(), wanted);
        } else {
            Function<String, String> spelling =
                    names.stream().anyMatch(name -> name.startsWith("blocks.")) ? wrapper() : Function.identity();
            stateDict(convolutions.keySet(), spelling, wanted, optional);
        }
        boolean classifier = names.contains(wanted.get("fc.weight")) || names.contains(wanted.get("fc.bias"));
        if (!classifier) {
            wanted.keySet().removeAll(List.of("fc.weight", "fc.bias"));
        }
        List<String> missing = without(wanted.values(), names);
        List<String> extra = without(without(names, wanted.values()), optional);
        if (missing.size() == wanted.size()) {
            throw new CheckpointException(
                    file + ": not the FID Inception network: none of its tensors is there, such as "
                            + wanted.get("Conv2d_1a_3x3.conv.weight") + "; the file holds " + some(List.copyOf(names)));
        }
        List<String> problems = new ArrayList<>();
        if (!missing.isEmpty()) {
            problems.add("missing " + some(missing));
        }
        if (!extra.isEmpty()) {
            problems.add("extra " + some(extra));
        }
        Map<String, Tensor> read = new LinkedHashMap<>();
        wanted.forEach((ours, theirs) -> {
            if (names.contains(theirs)) {
                Tensor value = tensor.apply(theirs);
                long[] shape = shape(ours, convolutions);
                if (Arrays.equals(shape, Shapes.of(value))) {
                    read.put(ours, value);
                } else {
                    problems.add(theirs + " must have shape " + Shapes.toString(shape) + ", got "
                            + Shapes.toString(Shapes.of(value)));
                }
            }
        });
        if (!problems.isEmpty()) {
            throw new CheckpointException(
                    file + ": does not fit the FID Inception network: " + String.join("; ", problems));
        }
        for (String conv : convolutions.keySet()) { // a file without scales means 1
            read.computeIfAbsent(
                    conv + ".bn.weight", name -> Tensors.of(ones(convolutions.get(conv)[0])));
        }
        return read;
    }

    private static double[] ones(long count) {
        double[] ones = new double[Math.toIntExact(count)];
        Arrays.fill(ones, 1);
        return ones;
    }

    private static long[] shape(String ours, Map<String, long[]> convolutions) {
        if (ours.startsWith("fc.")) {
            return ours.equals("fc.weight") ? new long[] {1008, 2048} : new long[] {1008};
        }
        if (ours.endsWith(".conv.weight")) {
            return convolutions.get(ours.substring(0, ours.length() - ".conv.weight".length()));
        }
        return new long[] {convolutions.get(ours.substring(0, ours.indexOf(".bn.")))[0]};
    }

    private static List<String> without(Collection<String> some, Collection<String> others) {
        Set<String> left = new LinkedHashSet<>(some);
        left.removeAll(others instanceof Set<String> ? others : Set.copyOf(others));
        return List.copyOf(left);
    }

    /** All names, or the first eight and how many more. */
    private static String some(List<String> names) {
        int shown = Math.min(8, names.size());
        String text = String.join(", ", names.subList(0, shown));
        return names.isEmpty()
                ? "nothing"
                : shown < names.size() ? text + " and " + (names.size() - shown) + " more" : text;
    }

    private static void stateDict(
            Collection<String> convolutions,
            Function<String, String> spelling,
            Map<String, String> wanted,
            Set<String> optional) {
        for (String conv : convolutions) {
            String theirs = spelling.apply(conv);
            for (String leaf :
                    List.of(".conv.weight", ".bn.weight", ".bn.bias", ".bn.running_mean", ".bn.running_var")) {
                wanted.put(conv + leaf, theirs + leaf);
            }
            optional.add(theirs + COUNTER);
        }
        wanted.put("fc.weight", "fc.weight");
        wanted.put("fc.bias", "fc.bias");
    }

    /** {@code blocks.i.j.}: the modules between two of the wrapper's four outputs. */
    private static Function<String, String> wrapper() {
        List<List<String>> blocks =
                List.of(STEM.subList(0, 3), STEM.subList(3, 5), MIXED.subList(0, 8), MIXED.subList(8, MIXED.size()));
        Map<String, String> prefix = new LinkedHashMap<>();
        for (int i = 0; i < blocks.size(); i++) {
            for (int j = 0; j < blocks.get(i).size(); j++) {
                prefix.put(blocks.get(i).get(j), "blocks." + i + "." + j);
            }
        }
        return conv -> {
            int dot = conv.indexOf('.');
            return dot < 0 ? prefix.get(conv) : prefix.get(conv.substring(0, dot)) + conv.substring(dot);
        };
    }

    private static void torchScript(Collection<String> convolutions, Map<String, String> wanted) {
        for (String conv : convolutions) {
            String theirs = "layers." + node(conv);
            wanted.put(conv + ".conv.weight", theirs + ".weight");
            wanted.put(conv + ".bn.bias", theirs + ".beta");
            wanted.put(conv + ".bn.running_mean", theirs + ".mean");
            wanted.put(conv + ".bn.running_var", theirs + ".var");
        }
        wanted.put("fc.weight", "output.weight");
        wanted.put("fc.bias", "output.bias");
    }

    /** The module of TensorFlow's graph that is one of our convolutions. */
    private static String node(String conv) {
        int stem = STEM.indexOf(conv);
        if (stem >= 0) {
            return numbered("conv", stem);
        }
        String block = conv.substring(0, conv.indexOf('.'));
        String branch = conv.substring(conv.indexOf('.') + 1);
        int number = MIXED.indexOf(block);
        return numbered("mixed", number) + "." + (number < 9 ? tower(block, branch) : lastTower(branch));
    }

    private static String tower(String block, String branch) {
        if (branch.equals("branch1x1") || (block.equals("Mixed_6a") && branch.equals("branch3x3"))) {
            return "conv";
        }
        if (branch.equals("branch_pool")) {
            return "tower_2.conv";
        }
        int underscore = branch.indexOf('_');
        String path = branch.substring(0, underscore);
        int step = Integer.parseInt(branch.substring(underscore + 1)) - 1;
        boolean first = path.equals("branch5x5")
                || path.equals("branch7x7")
                || path.equals("branch3x3")
                || block.equals("Mixed_6a");
        return (first ? "tower." : "tower_1.") + numbered("conv", step);
    }

    /** The last two blocks, whose towers split once more. */
    private static String lastTower(String branch) {
        return switch (branch) {
            case "branch1x1" -> "conv";
            case "branch3x3_1" -> "tower_conv";
            case "branch3x3_2a" -> "tower_mixed_conv";
            case "branch3x3_2b" -> "tower_mixed_conv_1";
            case "branch3x3dbl_1" -> "tower_1_conv";
            case "branch3x3dbl_2" -> "tower_1_conv_1";
            case "branch3x3dbl_3a" -> "tower_1_mixed_conv";
            case "branch3x3dbl_3b" -> "tower_1_mixed_conv_1";
            case "branch_pool" -> "tower_2_conv";
            default -> throw new IllegalArgumentException("no such branch: " + branch);
        };
    }

    private static String numbered(String name, int number) {
        return number == 0 ? name : name + "_" + number;
    }
}
