package org.mezzotint.models;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

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
}
