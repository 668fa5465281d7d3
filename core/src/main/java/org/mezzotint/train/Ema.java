package org.mezzotint.train;

import com.fasterxml.jackson.annotation.JsonSubTypes;
import com.fasterxml.jackson.annotation.JsonTypeInfo;
import java.util.List;
import org.bytedeco.pytorch.global.torch.ScalarType;

/** How fast the moving average of the weights forgets; or that several are kept, from which others can be put together. */
@JsonTypeInfo(use = JsonTypeInfo.Id.NAME, property = "type")
@JsonSubTypes({
    @JsonSubTypes.Type(value = Ema.Constant.class, name = "constant"),
    @JsonSubTypes.Type(value = Ema.Warmup.class, name = "warmup"),
    @JsonSubTypes.Type(value = Ema.PostHoc.class, name = "post-hoc")
})
public sealed interface Ema {
    /**
     * The decay of one update: {@code average ← decay·average + (1 − decay)·weights}.
     *
     * @param update number of the update, from 0
     * @return 0 (copies the weights) to below 1
     */
    double decay(long update);

    /**
     * The same decay at every update. The average starts as a copy of the initial weights.
     *
     * @param decay 0 or more and below 1, such as 0.9999
     */
    record Constant(double decay) implements Ema {
        /** Checks the rule. */
        public Constant {
            if (!(decay >= 0 && decay < 1)) {
                throw new IllegalArgumentException("decay must be 0 or more and below 1, got " + decay);
            }
        }

        @Override
        public double decay(long update) {
            return decay;
        }
    }

    /**
     * k-diffusion's warm-up: 1 − (1 + k/invGamma)^(−power) between two bounds, with k counted from an update and 0 before
     * it. The first update copies the weights when the lower bound is 0. With power 2/3 the decay reaches 0.999 after 31,600 updates.
     *
     * @param invGamma scale of the updates, above 0
     * @param power how fast the average slows down, above 0
     * @param minDecay lower bound
     * @param maxDecay upper bound, below 1
     * @param startAt the update from which k is counted
     */
    record Warmup(double invGamma, double power, double minDecay, double maxDecay, long startAt) implements Ema {
        /** Checks the rules. */
        public Warmup {
            if (!(invGamma > 0
                    && power > 0
                    && minDecay >= 0
                    && minDecay <= maxDecay
                    && maxDecay <= 1
                    && startAt >= 0)) {
                throw new IllegalArgumentException(
                        "invGamma and power must be above 0, 0 <= minDecay <= maxDecay <= 1, startAt not negative, got "
                                + invGamma + ", " + power + ", " + minDecay + ", " + maxDecay + ", " + startAt);
            }
        }

        @Override
        public double decay(long update) {
            long k = Math.max(0, update - startAt);
            double value = 1 - Math.pow(1 + k / invGamma, -power);
            return Math.min(maxDecay, Math.max(minDecay, value));
        }
    }

    /**
     * Power-function averages of several lengths (arXiv:2312.02696v2, section 3), of which snapshots are kept in the run's folder
     * while it trains. An average of another length is put together from them afterwards: {@link PostHocEma}. The first
     * length is that of the average in checkpoints and previews.
     *
     * @param sigmaRels relative standard deviations of the profiles, rising, each as {@link PowerProfile#gamma(double)} takes
     *     it; 1 to 8 of them
     * @param snapshotImages pictures between two snapshots; the end of the run is always kept
     * @param storage number type of the snapshots
     */
    record PostHoc(List<Double> sigmaRels, long snapshotImages, Storage storage) implements Ema {
        private static final int MOST = 8;

        /** Number types of snapshots. */
        public enum Storage {
            /** As the averages are. */
            FLOAT32(ScalarType.Float),
            /** Half the space, 11 bits of precision; weights above 65504 become infinite. */
            FLOAT16(ScalarType.Half),
            /** Half the space, 8 bits of precision, the range of float32. */
            BFLOAT16(ScalarType.BFloat16);

            private final ScalarType type;

            Storage(ScalarType type) {
                this.type = type;
            }

            ScalarType type() {
                return type;
            }
        }

        /** Checks the rules. */
        public PostHoc {
            sigmaRels = List.copyOf(sigmaRels);
            if (sigmaRels.isEmpty() || sigmaRels.size() > MOST) {
                throw new IllegalArgumentException("sigmaRels must be 1 to " + MOST + " numbers, got " + sigmaRels);
            }
            for (int i = 0; i < sigmaRels.size(); i++) {
                PowerProfile.gamma(sigmaRels.get(i));
                if (i > 0 && !(sigmaRels.get(i) > sigmaRels.get(i - 1))) {
                    throw new IllegalArgumentException("sigmaRels must rise, got " + sigmaRels);
                }
            }
            if (snapshotImages < 1) {
                throw new IllegalArgumentException("snapshotImages must be at least 1, got " + snapshotImages);
            }
            if (storage == null) {
                throw new IllegalArgumentException("storage must be given");
            }
        }

        /**
         * The two lengths of the paper, 0.05 and 0.10, in float32.
         *
         * @param snapshotImages pictures between two snapshots
         * @return the rule
         */
        public static PostHoc edm2(long snapshotImages) {
            return new PostHoc(List.of(0.05, 0.10), snapshotImages, Storage.FLOAT32);
        }

        @Override
        public double decay(long update) {
            return decay(0, update);
        }

        /** The decay of one update of the i-th average. */
        double decay(int i, long update) {
            return PowerProfile.decay(PowerProfile.gamma(sigmaRels.get(i)), update);
        }
    }
}
