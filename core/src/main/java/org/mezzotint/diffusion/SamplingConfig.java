package org.mezzotint.diffusion;

import com.fasterxml.jackson.annotation.JsonCreator;
import com.fasterxml.jackson.annotation.JsonProperty;
import com.fasterxml.jackson.annotation.JsonValue;
import java.util.Locale;
import java.util.Optional;
import java.util.OptionalInt;

/**
 * How pictures of a trained network are drawn unless one asks otherwise. It travels with the weights.
 *
 * @param solver the way from noise to pictures
 * @param eta share of the reverse process's noise, 0 (none) to 1; only for solvers that take it. For
 *     {@code ddpm-interpolated} the place of the variance between the smallest (0) and the largest (1)
 * @param steps how many levels. DDPM and DDIM along a discrete schedule also take a spacing, as {@link Respacing} reads it;
 *     empty for all its levels
 * @param grid which levels are visited
 * @param guidance scale of guidance, by the null class or by a weaker model; 1 is none
 * @param guidanceSchedule how it depends on the noise level
 * @param guidedChannels which channels of the prediction are guided
 * @param roundTimes whether a network of numbered levels is told the nearest one where a solver visits a level between two
 * @param clip whether the clean picture that each step predicts is clipped to [−1, 1]
 */
public record SamplingConfig(
        Solver solver,
        double eta,
        String steps,
        SigmaGrid grid,
        double guidance,
        GuidanceSchedule guidanceSchedule,
        GuidedChannels guidedChannels,
        boolean roundTimes,
        boolean clip) {
    /** Nominal: in thousandths of the way. */
    private static final int ADAPTIVE_STEPS = 1000;

    /** Solvers by name. {@code org.mezzotint.sample} has them. */
    public enum Solver {
        /** Ancestral sampling along the schedule. */
        @JsonProperty("ddpm")
        DDPM(false, true, 1),
        /** DDIM along the schedule. */
        @JsonProperty("ddim")
        DDIM(false, true, 0),
        /**
         * Ancestral sampling with a variance between the smallest and the largest (arXiv:2301.11093v2, appendix B); {@code eta} is
         * ν, how far it is from the first to the second.
         */
        @JsonProperty("ddpm-interpolated")
        DDPM_INTERPOLATED(false, true, 0.2),
        /** Euler on the probability flow. */
        @JsonProperty("euler")
        EULER(true, false, 0),
        /** Euler with noise. */
        @JsonProperty("euler-ancestral")
        EULER_ANCESTRAL(true, true, 1),
        /** Heun: two evaluations a step. */
        @JsonProperty("heun")
        HEUN(true, false, 0),
        /** Midpoint in log σ: two evaluations a step. */
        @JsonProperty("dpm-2")
        DPM_2(true, false, 0),
        /** Midpoint with noise. */
        @JsonProperty("dpm-2-ancestral")
        DPM_2_ANCESTRAL(true, true, 1),
        /** Linear multistep of the fourth order. */
        @JsonProperty("lms")
        LMS(true, false, 0),
        /** DPM-Solver of up to the third order; {@code steps} are evaluations. */
        @JsonProperty("dpm-fast")
        DPM_FAST(true, true, 0),
        /** DPM-Solver with steps of its own choice; {@code steps} does not matter. */
        @JsonProperty("dpm-adaptive")
        DPM_ADAPTIVE(true, true, 0),
        /** DPM-Solver++(2S) with noise: two evaluations a step. */
        @JsonProperty("dpmpp-2s-ancestral")
        DPMPP_2S_ANCESTRAL(true, true, 1),
        /** DPM-Solver++ for the SDE: two evaluations a step. */
        @JsonProperty("dpmpp-sde")
        DPMPP_SDE(true, true, 1),
        /** DPM-Solver++(2M). */
        @JsonProperty("dpmpp-2m")
        DPMPP_2M(true, false, 0),
        /** DPM-Solver++(2M) for the SDE, midpoint form. */
        @JsonProperty("dpmpp-2m-sde")
        DPMPP_2M_SDE(true, true, 1),
        /** DPM-Solver++(2M) for the SDE, Heun form. */
        @JsonProperty("dpmpp-2m-sde-heun")
        DPMPP_2M_SDE_HEUN(true, true, 1),
        /** DPM-Solver++(3M) for the SDE. */
        @JsonProperty("dpmpp-3m-sde")
        DPMPP_3M_SDE(true, true, 1),
        /** Heun on the velocity of flow matching, in its own time: two evaluations a step. */
        @JsonProperty("flow-heun")
        FLOW_HEUN(true, false, 0),
        /** Euler on the velocity of flow matching, with noise. */
        @JsonProperty("flow-sde")
        FLOW_SDE(true, true, 1);

        private final boolean countsInSigma;
        private final boolean takesEta;
        private final double usualEta;

        Solver(boolean countsInSigma, boolean takesEta, double usualEta) {
            this.countsInSigma = countsInSigma;
            this.takesEta = takesEta;
            this.usualEta = usualEta;
        }

        /**
         * Whether the solver visits noise levels of a {@link SigmaGrid}, not those of the schedule's chain.
         *
         * @return false for DDPM, also with interpolated variance, and DDIM
         */
        public boolean countsInSigma() {
            return countsInSigma;
        }

        /**
         * The share of noise that the solver was made for.
         *
         * @return 0, 1 or, of the interpolated variance, 0.2
         */
        public double usualEta() {
            return usualEta;
        }

        /**
         * The solver's name in files.
         *
         * @return such as {@code dpmpp-2m}
         */
        public String label() {
            return dashed(this);
        }
    }

    /**
     * Which channels guidance moves: {@code all} of the prediction, {@code first-three}, the DiT paper's choice for its four latent
     * channels (appendix A), or another number of the first, such as {@code first-12} of a latent of sixteen.
     *
     * @param first how many of the first channels; empty for all
     */
    public record GuidedChannels(OptionalInt first) {
        /** All channels of the prediction. */
        public static final GuidedChannels ALL = new GuidedChannels(OptionalInt.empty());

        /** The first three only. */
        public static final GuidedChannels FIRST_THREE = new GuidedChannels(OptionalInt.of(3));

        private static final String FIRST = "first-";

        /** Checks the rule. */
        public GuidedChannels {
            if (first.isPresent() && first.getAsInt() < 1) {
                throw new IllegalArgumentException("guided channels must be at least 1, got " + first.getAsInt());
            }
        }

        /**
         * Reads the name in files.
         *
         * @param label all, first-three, or first- and a number
         * @return the channels
         */
        @JsonCreator(mode = JsonCreator.Mode.DELEGATING)
        public static GuidedChannels parse(String label) {
            if (label.equals("all")) {
                return ALL;
            }
            if (label.equals("first-three")) {
                return FIRST_THREE;
            }
            if (!label.matches(FIRST + "[1-9][0-9]{0,5}")) {
                throw new IllegalArgumentException(
                        "guided channels must be all, first-three or first- and a number, such as first-12, got "
                                + label);
            }
            return new GuidedChannels(OptionalInt.of(Integer.parseInt(label.substring(FIRST.length()))));
        }

        /**
         * How many they are.
         *
         * @param channels of the prediction
         * @return at least 1
         * @throws IllegalArgumentException if the prediction has fewer
         */
        public int count(int channels) {
            if (first.orElse(channels) > channels) {
                throw new IllegalArgumentException(
                        "guided channels must be at most the model's " + channels + ", got " + label());
            }
            return first.orElse(channels);
        }

        /**
         * The name in files.
         *
         * @return all, first-three, or first- and a number
         */
        @JsonValue
        public String label() {
            return this.equals(ALL) ? "all" : this.equals(FIRST_THREE) ? "first-three" : FIRST + first.getAsInt();
        }
    }

    private static String dashed(Enum<?> constant) {
        return constant.name().toLowerCase(Locale.ROOT).replace('_', '-');
    }

    /** Checks the rules. */
    public SamplingConfig {
        if (solver == null || steps == null || grid == null || guidanceSchedule == null || guidedChannels == null) {
            throw new IllegalArgumentException(
                    "solver, steps, grid, guidanceSchedule and guidedChannels must be given");
        }
        if (!(eta >= 0 && eta <= 1)) {
            throw new IllegalArgumentException(
                    (solver == Solver.DDPM_INTERPOLATED ? "eta, the nu of ddpm-interpolated," : "eta")
                            + " must be 0 to 1, got " + eta);
        }
        if (solver == Solver.DDPM && eta != 1) {
            throw new IllegalArgumentException("solver ddpm takes eta 1; for another eta use ddim, got " + eta);
        }
        if (!solver.takesEta && eta != 0) {
            throw new IllegalArgumentException("solver " + solver.label() + " takes no eta, got " + eta);
        }
        if (!(guidance >= 0 && guidance < 1000)) {
            throw new IllegalArgumentException("guidance must be 0 to 1000, got " + guidance);
        }
    }

    /**
     * The schedule whose chain the solver walks.
     *
     * @param diffusion what the network was trained to do
     * @return present for the solvers along a chain where there is a schedule and no other grid
     */
    public Optional<ScheduledDiffusion> alongSchedule(DiffusionConfig diffusion) {
        return !solver.countsInSigma
                        && grid instanceof SigmaGrid.OfSchedule
                        && diffusion instanceof ScheduledDiffusion scheduled
                ? Optional.of(scheduled)
                : Optional.empty();
    }

    /**
     * The number of steps of these settings.
     *
     * @param diffusion what the network was trained to do
     * @return at least 1
     * @throws IllegalArgumentException if {@code steps} does not fit the solver or the schedule
     */
    public int count(DiffusionConfig diffusion) {
        Optional<ScheduledDiffusion> scheduled = alongSchedule(diffusion);
        if (scheduled.isPresent()) {
            return scheduled.get().schedule().chain(steps).steps();
        }
        if (!steps.matches("[1-9][0-9]{0,5}")) {
            throw new IllegalArgumentException(
                    "the number of steps of " + solver.label() + " must be 1 to 999999, got '" + steps + "'");
        }
        if (solver == Solver.DPM_ADAPTIVE) {
            return ADAPTIVE_STEPS;
        }
        int count = Integer.parseInt(steps);
        if (solver == Solver.DPM_FAST && count < 2) {
            throw new IllegalArgumentException("the number of steps of dpm-fast must be at least 2, got 1");
        }
        return count;
    }

    /**
     * The noise levels that the solver visits.
     *
     * @param diffusion what the network was trained to do
     * @return finite and falling, the last one 0
     * @throws IllegalArgumentException if they are not, or the training has no levels of its own and the grid is those
     */
    public double[] sigmas(DiffusionConfig diffusion) {
        double[] sigmas = alongSchedule(diffusion)
                .map(scheduled -> ofChain(scheduled.schedule().chain(steps)))
                .orElseGet(() -> grid.sigmas(count(diffusion), diffusion.times()));
        for (int i = 0; i < sigmas.length - 1; i++) {
            if (!(sigmas[i] < Double.POSITIVE_INFINITY && sigmas[i] > sigmas[i + 1])) {
                throw new IllegalArgumentException(
                        "noise levels must be finite and fall, got " + sigmas[i] + " and then " + sigmas[i + 1]);
            }
        }
        return sigmas;
    }

    private static double[] ofChain(DiffusionChain chain) {
        int n = chain.steps();
        double[] sigmas = new double[n + 1];
        for (int i = 0; i < n; i++) {
            sigmas[i] = Math.exp(-chain.logSnr(n - 1 - i) / 2);
        }
        return sigmas;
    }

    /**
     * Refuses settings that do not fit the training.
     *
     * @param diffusion what the network was trained to do
     * @throws IllegalArgumentException naming what does not fit
     */
    public void check(DiffusionConfig diffusion) {
        if (roundTimes
                && !(diffusion instanceof ScheduledDiffusion scheduled
                        && scheduled.schedule() instanceof NoiseSchedule.Discrete)) {
            throw new IllegalArgumentException("roundTimes is for models of a discrete schedule only");
        }
        if (grid instanceof SigmaGrid.Timesteps
                && !(diffusion instanceof ScheduledDiffusion scheduled
                        && scheduled.schedule() instanceof NoiseSchedule.Discrete)) {
            throw new IllegalArgumentException("grid timesteps is for models of a discrete schedule only");
        }
        if (alongSchedule(diffusion).isPresent()) {
            count(diffusion);
        } else {
            sigmas(diffusion);
        }
    }
}
