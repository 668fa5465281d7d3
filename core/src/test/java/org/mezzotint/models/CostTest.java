package org.mezzotint.models;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

class CostTest {
    private static final Cost COST = new Cost(1_000, 5, 300, 40, 7);
    private static final long RUNTIME = 430_000_000;

    @Test
    void trainingHoldsFiveCopiesOfTheParametersAndABatchOfActivations() {
        assertThat(COST.trainingBytes(8, false)).isEqualTo(RUNTIME + 20_000 + 8 * 300);
        assertThat(COST.trainingBytes(8, true)).isEqualTo(RUNTIME + 20_000 + 8 * 40);
    }

    @Test
    void samplingHoldsTwoCopiesOfTheParametersAndABatchOfWork() {
        assertThat(COST.samplingBytes(8)).isEqualTo(RUNTIME + 8_000 + 8 * 7);
    }

    @Test
    void gradientsOfTheInputNeedTheParametersAndABatchOfActivations() {
        assertThat(COST.inputGradientBytes(8)).isEqualTo(RUNTIME + 4_000 + 8 * 300);
    }

    @Test
    void hugeBatchesOverflowLoudly() {
        assertThatThrownBy(() -> COST.trainingBytes(Long.MAX_VALUE / 2, false)).isInstanceOf(ArithmeticException.class);
        assertThatThrownBy(() -> COST.inputGradientBytes(Long.MAX_VALUE / 2)).isInstanceOf(ArithmeticException.class);
        assertThatThrownBy(() -> COST.samplingBytes(Long.MAX_VALUE / 2)).isInstanceOf(ArithmeticException.class);
    }

    @ParameterizedTest
    @EnumSource
    void checkpointingSavesMostOfADeepStacksMemory(DiTConfig.Conditioning conditioning) {
        Cost cost =
                DiTConfig.named("dit-s/2", 32).withConditioning(conditioning).cost();
        assertThat(cost.checkpointedBytes()).isLessThan(cost.activationBytes() / 3);
        assertThat(cost.inferenceBytes()).isLessThan(cost.checkpointedBytes()).isPositive();
    }

    @Test
    void whatLevelsCostIsPartOfTheWhole() {
        Cost cost = NamedHDiT.named("hdit-imagenet-256", 0).cost();
        assertThat(cost.levels()).hasSize(3);
        assertThat(cost.levels().get(0).rows()).isEqualTo(64);
        assertThat(cost.levels().get(1).rows()).isEqualTo(32);
        long parameters =
                cost.levels().stream().mapToLong(Cost.Level::parameters).sum();
        long macs = cost.levels().stream().mapToLong(Cost.Level::macs).sum();
        long bytes =
                cost.levels().stream().mapToLong(Cost.Level::activationBytes).sum();
        // the rest is the conditioning, and working memory
        assertThat(parameters).isLessThan(cost.parameters()).isGreaterThan(cost.parameters() * 9 / 10);
        assertThat(macs).isLessThan(cost.macs()).isGreaterThan(cost.macs() * 99 / 100);
        assertThat(bytes).isLessThan(cost.activationBytes()).isGreaterThan(cost.activationBytes() * 8 / 10);
    }

    @Test
    void levelsCannotCostMoreThanTheModel() {
        assertThatThrownBy(() -> new Cost(5, 5, 5, 5, 5, List.of(new Cost.Level(1, 1, 1, 6, 0, 0))))
                .hasMessage("parameters of the levels must be at most the model's, got 6 of 5");
        assertThatThrownBy(() -> new Cost(5, 5, 5, 5, 5, List.of(new Cost.Level(1, 1, 1, 0, 6, 0))))
                .hasMessageContaining("macs of the levels");
        assertThatThrownBy(() -> new Cost(5, 5, 5, 5, 5, List.of(new Cost.Level(1, 1, 1, 0, 0, 6))))
                .hasMessageContaining("activationBytes of the levels");
        assertThat(COST.levels()).isEmpty();
    }
}
