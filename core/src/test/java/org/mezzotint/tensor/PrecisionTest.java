package org.mezzotint.tensor;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import org.bytedeco.pytorch.global.torch.ScalarType;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

class PrecisionTest {
    @ParameterizedTest
    @EnumSource
    void isReadAsItIsWritten(Precision precision) {
        assertThat(Precision.parse(precision.toString())).isSameAs(precision);
    }

    @ParameterizedTest
    @CsvSource({"float32, Float, Float", "float64, Double, Double", "bfloat16, Float, BFloat16"})
    void mixedPrecisionKeepsItsParametersInFloat32(String name, ScalarType storage, ScalarType compute) {
        Precision precision = Precision.parse(name);
        assertThat(precision.storage()).isSameAs(storage);
        assertThat(precision.compute()).isSameAs(compute);
    }

    @ParameterizedTest
    @ValueSource(strings = {"FLOAT32", "fp16", "float32 ", ""})
    void otherNamesAreRefused(String name) {
        assertThatThrownBy(() -> Precision.parse(name))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("precision must be float32, float64 or bfloat16, got " + name);
    }

    @Test
    void thereAreNoOthers() {
        assertThat(Precision.values()).hasSize(3);
    }
}
