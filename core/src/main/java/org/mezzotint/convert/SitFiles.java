package org.mezzotint.convert;

import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.mezzotint.diffusion.FlowMatching;
import org.mezzotint.diffusion.FlowTime;
import org.mezzotint.diffusion.GuidanceSchedule;
import org.mezzotint.diffusion.Interpolant;
import org.mezzotint.diffusion.SamplingConfig;
import org.mezzotint.diffusion.SigmaGrid;
import org.mezzotint.io.InputException;
import org.mezzotint.io.TensorFile;
import org.mezzotint.models.DiTConfig;

/**
 * Files of SiT (arXiv:2401.08740), DiT's network trained as a flow: flat state dicts, and training checkpoints with
 * {@code model} and {@code ema}. The names are DiT's.
 */
public final class SitFiles {
    private static final String USUAL_STEPS = "125"; // two evaluations each: SiT's 250

    private SitFiles() {}

    /**
     * Reads a file.
     *
     * @param file open
     * @param settings as for {@link DiTFiles#read}, and {@code interpolant}: {@code linear} where it is not given, or
     *     {@code trigonometric}
     * @return tensors in the caller's scope
     */
    public static Checkpoint read(TensorFile file, Settings settings) {
        Interpolant path = settings.text("interpolant", Interpolant.LINEAR, SitFiles::interpolant);
        Checkpoint dit = DiTFiles.read(file, settings, false);
        return new Checkpoint(
                dit.model(),
                new FlowMatching(path, new FlowTime.Uniform(), 1, FlowMatching.Convention.SIT),
                new SamplingConfig(
                        SamplingConfig.Solver.FLOW_HEUN,
                        0,
                        USUAL_STEPS,
                        new SigmaGrid.OfSchedule(),
                        dit.sampling().guidance(),
                        new GuidanceSchedule.Constant(),
                        dit.sampling().guidedChannels(),
                        false,
                        false),
                dit.latents(),
                List.of(),
                dit.weights(),
                dit.average(),
                Optional.empty());
    }

    private static Interpolant interpolant(String name) {
        return switch (name) {
            case "linear" -> Interpolant.LINEAR;
            case "trigonometric" -> Interpolant.TRIGONOMETRIC;
            default -> throw new InputException("--set interpolant must be linear or trigonometric, got " + name);
        };
    }

    /**
     * What {@code torch.save} shall hold, for a file that SiT's code loads.
     *
     * @param checkpoint of a {@link DiTConfig}, trained in SiT's convention
     * @return a flat state dict, or {@code model} and {@code ema} where the checkpoint has both
     * @throws InputException if it is trained otherwise
     */
    public static Map<String, Object> write(Checkpoint checkpoint) {
        if (!(checkpoint.diffusion() instanceof FlowMatching flow)
                || flow.convention() != FlowMatching.Convention.SIT) {
            throw new InputException(
                    "only a model with diffusion.type flow-matching and convention sit can be written for"
                            + " SiT, got " + checkpoint.diffusion());
        }
        if (flow.shift() != 1) {
            throw new InputException("SiT's code knows no shift of times, got " + flow.shift());
        }
        if (!DiTFiles.published(checkpoint).convention().equals(DiTConfig.Convention.paper())) {
            throw new InputException(
                    "the model follows diffusers' convention: in SiT's code the same weights give other" + " pictures");
        }
        DiTFiles.checkLatents(checkpoint);
        return checkpoint.stateDicts();
    }
}
