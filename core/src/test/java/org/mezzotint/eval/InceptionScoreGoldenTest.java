package org.mezzotint.eval;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import java.util.stream.LongStream;
import org.bytedeco.pytorch.Tensor;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.mezzotint.golden.Golden;
import org.mezzotint.io.InputException;
import org.mezzotint.tensor.Scope;
import org.mezzotint.tensor.Tensors;

class InceptionScoreGoldenTest {
    private static final double EXACT = 1e-10;

    @ParameterizedTest
    @ValueSource(strings = {"is-basic", "is-uneven-1008", "is-saturated"})
    void scoresAreThoseOfTorchFidelity(String name) {
        try (Scope scope = Scope.open();
                Golden golden = Golden.open("metrics/" + name)) {
            Tensor logits = golden.get("in.logits");
            InceptionScore score = InceptionScore.of(logits, 10);
            Golden.assertClose("parts", score.scores(), golden.doubles("out.split_scores"), EXACT);
            Golden.assertClose("mean", new double[] {score.mean()}, golden.doubles("out.is_mean"), EXACT);
            Golden.assertClose("std", new double[] {score.deviation()}, golden.doubles("out.is_std"), EXACT);
            Golden.assertClose(
                    "one part",
                    new double[] {InceptionScore.of(logits, 1).mean()},
                    golden.doubles("out.is_one_split"),
                    EXACT);
            InceptionScore shuffled = InceptionScore.shuffled(logits, 10, 2020);
            Golden.assertClose(
                    "shuffled", new double[] {shuffled.mean()}, golden.doubles("out.is_shuffled_mean"), EXACT);
            Golden.assertClose(
                    "shuffled std", new double[] {shuffled.deviation()}, golden.doubles("out.is_shuffled_std"), EXACT);
            InceptionScore chunks = InceptionScore.inChunks(
                    logits, golden.config().get("adm_split_size").intValue());
            if (golden.config().get("adm_is_nan").booleanValue()) {
                assertThat(chunks.mean()).as("finite where ADM's is not").isFinite();
            } else {
                Golden.assertClose("ADM", new double[] {chunks.mean()}, golden.doubles("out.adm_float32_is"), 1e-4);
            }
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"is-basic", "is-uneven-1008", "is-saturated"})
    void permutationIsNumPys(String name) {
        try (Scope scope = Scope.open();
                Golden golden = Golden.open("metrics/" + name)) {
            long[] expected = golden.longs("in.permutation_seed2020");
            assertThat(new NumpyRandom(2020).permutation(expected.length)).containsExactly(expected);
        }
    }

    /** Equal shares of sure classes score their number; equal pictures score 1. */
    @Test
    void limitsAreOneAndTheNumberOfClasses() {
        try (Scope scope = Scope.open()) {
            Tensor sure = Tensors.of(1e4, 0, 0, 0, 1e4, 0, 0, 0, 1e4).view(3, 3);
            assertThat(InceptionScore.of(sure, 1).mean()).isCloseTo(3, within(1e-12));
            assertThat(InceptionScore.of(sure, 3).scores()).containsExactly(new double[] {1, 1, 1}, within(1e-12));
        }
    }

    @Test
    void manyRowsAreTakenInBlocks() {
        try (Scope scope = Scope.open()) {
            int n = 9000;
            double[] logits = LongStream.range(0, 2L * n)
                    .mapToDouble(i -> Math.sin(i * i % 1013))
                    .toArray();
            double negentropy = 0;
            double first = 0;
            for (int i = 0; i < n; i++) {
                double p = 1 / (1 + Math.exp(logits[2 * i + 1] - logits[2 * i]));
                negentropy += (p * Math.log(p) + (1 - p) * Math.log(1 - p)) / n;
                first += p / n;
            }
            double expected = Math.exp(negentropy - first * Math.log(first) - (1 - first) * Math.log(1 - first));
            Tensor tensor = Tensors.of(logits).view(n, 2);
            assertThat(InceptionScore.of(tensor, 1).mean()).isCloseTo(expected, within(1e-12));
        }
    }

    @Test
    void refusesTooFewPicturesAndNaN() {
        try (Scope scope = Scope.open()) {
            Tensor two = Tensors.of(1.0, 2, 3, 4).view(2, 2);
            assertThatThrownBy(() -> InceptionScore.of(two, 3))
                    .isInstanceOf(InputException.class)
                    .hasMessage("the Inception Score in 3 parts needs at least as many pictures, got 2");
            Tensor bad = Tensors.of(1.0, Double.NaN, 3, 4).view(2, 2);
            assertThatThrownBy(() -> InceptionScore.of(bad, 1))
                    .isInstanceOf(InputException.class)
                    .hasMessage("logits must be finite");
        }
    }
}
