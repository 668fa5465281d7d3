package org.mezzotint.app.cli;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import org.bytedeco.pytorch.Device;
import org.mezzotint.diffusion.DiffusionConfig;
import org.mezzotint.diffusion.FlowMatching;
import org.mezzotint.diffusion.FramedDiffusion;
import org.mezzotint.diffusion.GuidanceSchedule;
import org.mezzotint.diffusion.SamplingConfig;
import org.mezzotint.diffusion.ScheduledDiffusion;
import org.mezzotint.diffusion.SigmaGrid;
import org.mezzotint.diffusion.SigmaTimes;
import org.mezzotint.io.InputException;
import org.mezzotint.io.NearestName;
import org.mezzotint.models.Model;
import org.mezzotint.models.ModelBundle;
import org.mezzotint.models.ModelConfig;
import org.mezzotint.tensor.Precision;
import picocli.CommandLine.Option;

/** How pictures are drawn: the recipe's way, changed by options. */
final class SamplingOptions {
    private static final String LEADING = "leading";

    /** Enough to hide any picture: the usual choice where a schedule goes further. */
    private static final double USUAL_SIGMA_MAX = 80;

    @Option(
            names = "--solver",
            paramLabel = "NAME",
            description = {
                "ddpm, ddpm-interpolated, ddim, euler, euler-ancestral, heun, dpm-2, dpm-2-ancestral, lms, dpm-fast, dpm-adaptive,",
                "dpmpp-2s-ancestral, dpmpp-sde, dpmpp-2m, dpmpp-2m-sde, dpmpp-2m-sde-heun,",
                "dpmpp-3m-sde, flow-heun or flow-sde",
                "(default: the recipe's)"
            })
    private String solver;

    @Option(
            names = "--eta",
            paramLabel = "X",
            description = "share of noise, 0 to 1, of ddim, ancestral and SDE solvers; place of the variance of"
                    + " ddpm-interpolated (default: the recipe's, or the solver's own)")
    private Double eta;

    @Option(
            names = "--levels",
            paramLabel = "NAME",
            description =
                    "noise levels: karras, exponential, polyexponential, vp or schedule (default: the recipe's; for another"
                            + " solver schedule for ddpm and ddim, else karras)")
    private String levels;

    @Option(
            names = "--sigma-min",
            paramLabel = "X",
            description = "lowest noise level of karras, exponential, polyexponential (default: the training's)")
    private Double sigmaMin;

    @Option(
            names = "--sigma-max",
            paramLabel = "X",
            description = "highest noise level (default: the training's, of a schedule or a flow at most 80)")
    private Double sigmaMax;

    @Option(names = "--rho", paramLabel = "X", description = "of karras (default: 7) and polyexponential (default: 1)")
    private Double rho;

    @Option(
            names = "--steps",
            paramLabel = "N",
            description = "number of steps, or a spacing such as ddim50 (default: the recipe's)")
    private String steps;

    @Option(
            names = "--guidance",
            paramLabel = "S",
            description = "guidance by the null class, or by --guide; 1 is none (default: the recipe's)")
    private Double guidance;

    @Option(
            names = "--guidance-interval",
            paramLabel = "LOW,HIGH",
            split = ",",
            description = "guide only at noise levels above LOW and up to HIGH, such as 0.28,2.9")
    private double[] guidanceInterval;

    @Option(
            names = "--guidance-power",
            paramLabel = "P",
            description = "let guidance grow towards the clean end by a cosine of this power, such as 4")
    private Double guidancePower;

    @Option(
            names = "--guide",
            paramLabel = "MODEL",
            description =
                    "a weaker model of the same task, such as an early checkpoint, to guide away from (autoguidance)")
    private Path guide;

    @Option(
            names = "--guided-channels",
            paramLabel = "WHICH",
            description =
                    "all, first-three as in the DiT paper, or first-N, such as first-12 of 16 (default: the recipe's)")
    private String guidedChannels;

    @Option(
            names = "--round-times",
            description = "tell a model of numbered levels the nearest one where the solver visits a level between two")
    private boolean roundTimes;

    private static SamplingConfig.GuidedChannels channels(String text) {
        try {
            return SamplingConfig.GuidedChannels.parse(text);
        } catch (IllegalArgumentException e) {
            throw new IllegalArgumentException("--guided-channels: " + e.getMessage(), e);
        }
    }

    /** The settings, which go together and with the training. */
    SamplingConfig resolve(SamplingConfig recipe, DiffusionConfig diffusion) {
        SamplingConfig sampling = sampling(recipe, diffusion);
        checkSpacing(diffusion, sampling);
        if (sampling.guidance() == 1) {
            needsGuidance("--guide", guide);
            needsGuidance("--guidance-interval", guidanceInterval);
            needsGuidance("--guidance-power", guidancePower);
        }
        if (roundTimes && sampling.alongSchedule(diffusion).isPresent()) {
            throw new IllegalArgumentException("--round-times is for levels between those of the schedule, which "
                    + sampling.solver().label() + " does not visit");
        }
        return sampling;
    }

    private static void needsGuidance(String option, Object given) {
        if (given != null) {
            throw new IllegalArgumentException(option + " needs a --guidance other than 1");
        }
    }

    /** What a picture's text says of the guide. */
    Map<String, String> settings() {
        return guide == null ? Map.of() : Map.of("guide", guide.toString());
    }

    /** The model of --guide, which must have the same inputs, outputs and training; null without one. */
    Model guide(ModelConfig config, DiffusionConfig diffusion, Precision numbers, Device device) {
        if (guide == null) {
            return null;
        }
        Path file = BundleOptions.find(guide);
        try (ModelBundle bundle = ModelBundle.open(file)) {
            ModelConfig other = bundle.config();
            if (other.height() != config.height()
                    || other.width() != config.width()
                    || other.channels() != config.channels()
                    || other.numClasses() != config.numClasses()) {
                throw new InputException(String.format(
                        Locale.ROOT,
                        "--guide must draw pictures like the model's (%d×%d, %d channels, %d classes), %s has %d×%d, %d and %d",
                        config.height(),
                        config.width(),
                        config.channels(),
                        config.numClasses(),
                        file,
                        other.height(),
                        other.width(),
                        other.channels(),
                        other.numClasses()));
            }
            if (!bundle.section("diffusion", DiffusionConfig.class).equals(diffusion)) {
                throw new InputException(
                        "--guide must be trained like the model, " + file + " has another diffusion section");
            }
            return bundle.load(BundleOptions.usual(bundle), numbers, device);
        }
    }

    private static void checkSpacing(DiffusionConfig diffusion, SamplingConfig sampling) {
        try {
            sampling.count(diffusion);
        } catch (IllegalArgumentException e) {
            throw new IllegalArgumentException("--steps: " + e.getMessage(), e);
        }
        sampling.check(diffusion);
    }

    private SamplingConfig sampling(SamplingConfig recipe, DiffusionConfig diffusion) {
        SamplingConfig.Solver chosen = solver == null ? recipe.solver() : named(solver);
        double noise = eta != null ? eta : chosen == recipe.solver() ? recipe.eta() : chosen.usualEta();
        SamplingConfig.GuidedChannels channels =
                guidedChannels == null ? recipe.guidedChannels() : channels(guidedChannels);
        SigmaGrid levelsOf = grid(chosen, recipe, diffusion);
        return new SamplingConfig(
                chosen,
                noise,
                steps(chosen, levelsOf, recipe, diffusion),
                levelsOf,
                guidance == null ? recipe.guidance() : guidance,
                guidanceSchedule(recipe),
                channels,
                recipe.roundTimes() || roundTimes,
                recipe.clip());
    }

    private GuidanceSchedule guidanceSchedule(SamplingConfig recipe) {
        if (guidanceInterval != null && guidancePower != null) {
            throw new IllegalArgumentException("give --guidance-interval or --guidance-power, not both");
        }
        if (guidanceInterval != null && guidanceInterval.length != 2) {
            throw new IllegalArgumentException(
                    "--guidance-interval must be two noise levels, such as 0.28,2.9, got " + guidanceInterval.length);
        }
        return guidanceInterval != null
                ? new GuidanceSchedule.Interval(guidanceInterval[0], guidanceInterval[1])
                : guidancePower != null ? new GuidanceSchedule.PowerCosine(guidancePower) : recipe.guidanceSchedule();
    }

    private static SamplingConfig.Solver named(String name) {
        List<String> labels = new ArrayList<>();
        for (SamplingConfig.Solver each : SamplingConfig.Solver.values()) {
            if (each.label().equalsIgnoreCase(name)) {
                return each;
            }
            labels.add(each.label());
        }
        throw new IllegalArgumentException("--solver: unknown solver " + name + ", " + NearestName.hint(name, labels));
    }

    /** The noise levels: as asked, else the recipe's for its own solver, else the usual ones. */
    private SigmaGrid grid(SamplingConfig.Solver chosen, SamplingConfig recipe, DiffusionConfig diffusion) {
        boolean asked = levels != null || sigmaMin != null || sigmaMax != null || rho != null;
        if (!asked && chosen == recipe.solver()) {
            return recipe.grid();
        }
        if (!asked && !chosen.countsInSigma() && diffusion instanceof ScheduledDiffusion) {
            return recipe.solver().countsInSigma() ? new SigmaGrid.OfSchedule() : recipe.grid();
        }
        if (!asked && diffusion instanceof FlowMatching) {
            return recipe.grid();
        }
        boolean own =
                recipe.grid() instanceof SigmaGrid.Formula || recipe.solver().countsInSigma();
        SigmaTimes times = diffusion.times();
        Shape usual = Shape.of(
                own ? Optional.of(recipe.grid()) : Optional.empty(),
                levels,
                times.min(),
                diffusion instanceof FramedDiffusion ? times.max() : Math.min(times.max(), USUAL_SIGMA_MAX));
        String name = usual.name();
        if (rho != null && !name.equals("karras") && !name.equals("polyexponential")) {
            throw new IllegalArgumentException("--rho is for karras and polyexponential only, got " + name);
        }
        if ((sigmaMin != null || sigmaMax != null) && (name.equals("vp") || name.equals("schedule"))) {
            throw new IllegalArgumentException("--sigma-min and --sigma-max are not for " + name);
        }
        double low = sigmaMin == null ? usual.low() : sigmaMin;
        double high = sigmaMax == null ? usual.high() : sigmaMax;
        double power = rho == null ? usual.rho() : rho;
        return switch (name) {
            case "karras" -> new SigmaGrid.Karras(low, high, power);
            case "exponential" -> new SigmaGrid.Exponential(low, high);
            case "polyexponential" -> new SigmaGrid.Polyexponential(low, high, power);
            case "vp" -> recipe.grid() instanceof SigmaGrid.Vp vp ? vp : new SigmaGrid.Vp(19.9, 0.1, 1e-3);
            case "schedule" -> new SigmaGrid.OfSchedule();
            default ->
                throw new IllegalArgumentException("--levels: unknown levels " + levels + ", "
                        + NearestName.hint(
                                levels, List.of("karras", "exponential", "polyexponential", "vp", "schedule")));
        };
    }

    /** Name and numbers of noise levels where no option says otherwise. */
    private record Shape(String name, double low, double high, double rho) {
        /** The recipe's where it has levels of that name, else the usual ones over the schedule. */
        static Shape of(Optional<SigmaGrid> recipe, String asked, double low, double high) {
            Shape own = recipe.map(grid -> of(grid, low, high)).orElse(new Shape("karras", low, high, 7));
            String name = asked == null ? own.name() : asked.toLowerCase(Locale.ROOT);
            return name.equals(own.name()) ? own : new Shape(name, low, high, name.equals("karras") ? 7 : 1);
        }

        private static Shape of(SigmaGrid grid, double low, double high) {
            if (grid instanceof SigmaGrid.Karras karras) {
                return new Shape("karras", karras.sigmaMin(), karras.sigmaMax(), karras.rho());
            }
            if (grid instanceof SigmaGrid.Exponential even) {
                return new Shape("exponential", even.sigmaMin(), even.sigmaMax(), 1);
            }
            if (grid instanceof SigmaGrid.Polyexponential power) {
                return new Shape("polyexponential", power.sigmaMin(), power.sigmaMax(), power.rho());
            }
            return new Shape(grid instanceof SigmaGrid.Vp ? "vp" : "schedule", low, high, 1);
        }
    }

    /** The steps asked for, else the recipe's; a spacing of the schedule, which other levels do not know, as its length. */
    private String steps(
            SamplingConfig.Solver chosen, SigmaGrid grid, SamplingConfig recipe, DiffusionConfig diffusion) {
        boolean follows = !chosen.countsInSigma() && grid instanceof SigmaGrid.OfSchedule;
        if (follows
                && steps != null
                && steps.matches("[0-9]{1,9}")
                && recipe.steps().startsWith(LEADING)) {
            return LEADING + steps; // spaced as the folder of diffusers spaces its own number
        }
        return steps != null || follows || recipe.alongSchedule(diffusion).isEmpty()
                ? Optional.ofNullable(steps).orElse(recipe.steps())
                : Integer.toString(recipe.count(diffusion));
    }
}
