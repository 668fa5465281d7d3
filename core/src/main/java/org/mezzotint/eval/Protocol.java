package org.mezzotint.eval;

import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.stream.Collectors;

/**
 * How a paper measured: what has to agree before a number may be put beside the paper's. Facts that a paper or its code
 * does not state are {@code not stated}.
 *
 * @param name in commands and results
 * @param paper where its numbers are
 * @param pictures how many generated pictures
 * @param resize how pictures reach the network
 * @param metrics what the paper reports of what can be measured here
 * @param reference what they are compared with; more than one if the paper compares with several
 * @param sampler how the pictures were drawn
 * @param steps how many steps
 * @param note what else matters
 */
public record Protocol(
        String name,
        String paper,
        int pictures,
        ResizeMode resize,
        Set<Metric> metrics,
        List<String> reference,
        String sampler,
        String steps,
        String note) {
    /** DiT on ImageNet: ADM's evaluator. */
    public static final Protocol DIT = new Protocol(
            "dit",
            "arXiv:2212.09748, tables 2 and 3",
            50_000,
            ResizeMode.TENSORFLOW,
            Set.of(Metric.FID, Metric.SFID, Metric.IS, Metric.PR),
            List.of(
                    "ADM's statistics of ImageNet's training set at the pictures' size, with arr_0 for precision and recall"),
            "DDPM",
            "250",
            "decoder ft-EMA; classifier-free guidance 1.25 or 1.5 on three channels, or none");

    /** HDiT: k-diffusion's evaluation. */
    public static final Protocol HDIT = new Protocol(
            "hdit",
            "arXiv:2401.11605, tables 3 and 4",
            50_000,
            ResizeMode.K_DIFFUSION,
            Set.of(Metric.FID, Metric.IS),
            List.of("not stated; the training set is usual (FFHQ-1024, ImageNet-256)"),
            "not stated",
            "50 of two network calls (ImageNet-256)",
            "FFHQ-1024 also with 5,000 pictures; FDD and KDD need DINOv2 features made elsewhere; the resize mode is that of"
                    + " k-diffusion's own evaluation");

    /** DiffiT in pixel space: EDM's protocol. */
    public static final Protocol DIFFIT_EDM = new Protocol(
            "diffit-edm",
            "arXiv:2312.02139, table 2",
            50_000,
            ResizeMode.TENSORFLOW,
            Set.of(Metric.FID),
            List.of("the training set, mu and sigma as EDM's fid.py ref writes them"),
            "EDM Heun, deterministic",
            "18 (CIFAR-10), 40 (FFHQ-64)",
            "EDM publishes the smallest of three runs with different seeds");

    /** simple diffusion: against the training and against the validation set. */
    public static final Protocol SIMPLE_DIFFUSION = new Protocol(
            "simple-diffusion",
            "arXiv:2301.11093, tables 2 to 6",
            50_000,
            ResizeMode.TENSORFLOW,
            Set.of(Metric.FID, Metric.IS),
            List.of("ImageNet's training set (FID train)", "ImageNet's validation set (FID eval)"),
            "DDPM with interpolated variance 0.2",
            "512",
            "our sources state no resize mode (that of the TensorFlow graph is assumed), and 1000 steps for guided pictures");

    /** All of them. */
    public static final List<Protocol> ALL = List.of(DIT, HDIT, DIFFIT_EDM, SIMPLE_DIFFUSION);

    /** Keeps an immutable copy. */
    public Protocol {
        metrics = Set.copyOf(metrics);
        reference = List.copyOf(reference);
    }

    /**
     * Finds a protocol by its name.
     *
     * @param name as written by people
     * @return the protocol
     * @throws IllegalArgumentException if there is none of that name
     */
    public static Protocol named(String name) {
        return ALL.stream()
                .filter(protocol -> protocol.name.equals(name))
                .findFirst()
                .orElseThrow(() -> new IllegalArgumentException("protocol must be one of "
                        + ALL.stream().map(Protocol::name).collect(Collectors.joining(", ")) + ", got " + name));
    }

    /**
     * In what a measurement departs from the protocol.
     *
     * @param count of generated pictures
     * @param preprocessing that was used
     * @param usedSampler as stated by whoever drew the pictures
     * @param usedSteps likewise
     * @return one phrase each; empty if nothing that was stated differs
     */
    public List<String> differences(long count, String preprocessing, String usedSampler, String usedSteps) {
        List<String> differences = new ArrayList<>();
        if (count != pictures) {
            differences.add(count + " pictures instead of " + pictures);
        }
        if (!preprocessing.equals(resize.label())) {
            differences.add("resize mode " + preprocessing + " instead of " + resize.label());
        }
        differ(differences, "sampler", usedSampler, sampler);
        differ(differences, "steps", usedSteps, steps);
        return differences;
    }

    private static void differ(List<String> differences, String what, String used, String wanted) {
        boolean known = !used.equals(EvaluationResult.NOT_STATED) && !wanted.equals(EvaluationResult.NOT_STATED);
        if (known && !wanted.equalsIgnoreCase(used)) {
            differences.add(what + " " + used + " instead of " + wanted);
        }
    }
}
