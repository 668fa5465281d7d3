package org.mezzotint.train;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.OptionalLong;
import java.util.stream.Collectors;
import org.bytedeco.pytorch.Device;
import org.mezzotint.data.LatentSpace;
import org.mezzotint.io.InputException;
import org.mezzotint.models.Model;
import org.mezzotint.models.ModelBundle;

/**
 * Puts the average of a run's weights together that the run would have kept with another length (arXiv:2312.02696v2, section
 * 3.2): a sum of the snapshots that {@link Ema.PostHoc} kept.
 */
public final class PostHocEma {
    private PostHocEma() {}

    /**
     * How an average was put together; a section of its bundle.
     *
     * @param sigmaRel its length, as a relative standard deviation
     * @param images pictures seen at its end
     * @param snapshots from how many moments
     * @param profileError {@link PowerProfile.Fit#error}
     * @param amplification {@link PowerProfile.Fit#amplification}
     * @param rawImages pictures seen by the raw weights in the same bundle
     */
    public record Report(
            double sigmaRel, long images, int snapshots, double profileError, double amplification, long rawImages) {}

    /**
     * Writes a bundle whose average is one that was not kept.
     *
     * <p>Snapshots up to the moment asked for are used. The raw weights are those of the checkpoint of that moment if the run
     * still has it, else of the newest one.
     *
     * @param run trained with {@link Ema.PostHoc}
     * @param sigmaRel length of the average, as {@link PowerProfile#gamma(double)} takes it
     * @param images pictures seen at its end: a moment of which there is a snapshot; empty for the last one
     * @param out the bundle's file, replaced if it exists
     * @return what was done
     * @throws InputException if the run has no snapshots, none of that moment, or no checkpoint
     */
    public static Report rebuild(RunDirectory run, double sigmaRel, OptionalLong images, Path out) {
        PowerProfile.gamma(sigmaRel);
        List<EmaSnapshots.Snapshot> used = upTo(run, images);
        long end = used.get(used.size() - 1).content().images();
        List<PowerProfile> kept = new ArrayList<>();
        for (EmaSnapshots.Snapshot snapshot : used) {
            for (double each : snapshot.content().sigmaRels()) {
                kept.add(PowerProfile.of(each, snapshot.content().images()));
            }
        }
        PowerProfile.Fit fit = PowerProfile.fit(kept, PowerProfile.of(sigmaRel, end));
        Path checkpoint = run.complete().stream()
                .filter(path -> RunDirectory.progress(path).images() == end)
                .findFirst()
                .orElseGet(() -> run.newestBundle().getParent());
        TrainState.Progress progress = RunDirectory.progress(checkpoint);
        Report report = new Report(sigmaRel, end, used.size(), fit.error(), fit.amplification(), progress.images());
        write(run.config(), checkpoint, progress, used, fit, report, out);
        return report;
    }

    private static List<EmaSnapshots.Snapshot> upTo(RunDirectory run, OptionalLong images) {
        List<EmaSnapshots.Snapshot> all = run.snapshots().all();
        if (all.isEmpty()) {
            throw new InputException("the run in " + run.root() + " has no snapshots of its averages: its recipe needs"
                    + " training.ema of type post-hoc");
        }
        if (images.isEmpty()) {
            return all;
        }
        if (all.stream().noneMatch(each -> each.content().images() == images.getAsLong())) {
            throw new InputException("the run in " + run.root() + " has no snapshot at " + images.getAsLong()
                    + " pictures, only at "
                    + all.stream()
                            .map(each -> Long.toString(each.content().images()))
                            .collect(Collectors.joining(", ")));
        }
        return all.stream()
                .filter(each -> each.content().images() <= images.getAsLong())
                .toList();
    }

    private static void write(
            TrainConfig config,
            Path checkpoint,
            TrainState.Progress progress,
            List<EmaSnapshots.Snapshot> used,
            PowerProfile.Fit fit,
            Report report,
            Path out) {
        try (Device cpu = new Device("cpu");
                ModelBundle bundle = ModelBundle.open(checkpoint.resolve(TrainState.MODEL_FILE));
                Model raw =
                        bundle.load(ModelBundle.Weights.RAW, config.training().precision(), cpu);
                Model average =
                        bundle.load(ModelBundle.Weights.EMA, config.training().precision(), cpu)) {
            EmaSnapshots.sum(used, fit.factors(), TrainState.learning(config, average));
            Map<String, Object> sections = TrainState.sections(
                    config,
                    progress,
                    bundle.optionalSection(TrainState.LATENTS, LatentSpace.class),
                    TrainState.ClassNames.of(bundle));
            sections.put("postHocEma", report);
            ModelBundle.write(out, raw, average, sections);
        }
    }
}
