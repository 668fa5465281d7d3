package org.mezzotint.sample;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import java.util.function.UnaryOperator;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.mezzotint.diffusion.Network;
import org.mezzotint.diffusion.SamplingConfig;
import org.mezzotint.tensor.Conditioning;
import org.mezzotint.tensor.Rng;
import org.mezzotint.tensor.Scalars;
import org.mezzotint.tensor.Scope;
import org.mezzotint.tensor.Tensors;

class GuidanceTest {
    private static final UnaryOperator<Conditioning> TO_NULL = Guidance.nullClass(10);

    /** x · (label + 1) + t: a network whose conditional and null outputs are known. */
    private static final Network NETWORK = (x, t, cond) -> {
        Tensor label = cond.get("class").to(ScalarType.Double).view(-1, 1, 1, 1);
        return x.mul(label.add(Scalars.of(1))).add(t.view(-1, 1, 1, 1));
    };

    @ParameterizedTest
    @ValueSource(doubles = {0, 0.5, 2.5, 7})
    void theOutputMovesFromTheNullOneThroughTheConditionalOne(double scale) {
        try (Scope scope = Scope.open();
                Rng rng = new Rng(1)) {
            Tensor x = rng.normal(ScalarType.Double, 2, 3, 2, 1);
            Tensor y = Guidance.constant(scale, 3)
                    .classifierFree(NETWORK, TO_NULL)
                    .evaluate(x, Tensors.of(0.25, 0.5), Conditioning.classes(3, 4));
            double[] in = Tensors.doubles(x);
            double[] expected = new double[12];
            for (int i = 0; i < 12; i++) {
                int picture = i / 6;
                double time = picture == 0 ? 0.25 : 0.5;
                double conditional = in[i] * (picture == 0 ? 4 : 5) + time;
                double none = in[i] * 11 + time;
                expected[i] = none + scale * (conditional - none);
            }
            assertThat(Tensors.doubles(y)).containsExactly(expected, within(1e-12));
        }
    }

    @Test
    void withoutGuidanceTheNullClassIsNotEvaluated() {
        try (Scope scope = Scope.open()) {
            Network once = (x, t, cond) -> {
                assertThat(Tensors.longs(cond.get("class"))).containsExactly(3);
                return NETWORK.evaluate(x, t, cond);
            };
            Tensor x = Tensors.of(1.0, 2.0).view(1, 2, 1, 1);
            Network guided = Guidance.constant(1, 2).classifierFree(once, TO_NULL);
            assertThat(Tensors.doubles(guided.evaluate(x, Tensors.of(0.5), Conditioning.classes(3))))
                    .containsExactly(4.5, 8.5);
        }
    }

    @Test
    void theFactorMayDifferFromPictureToPicture() {
        try (Scope scope = Scope.open()) {
            Tensor x = Tensors.of(1.0, 1.0).view(2, 1, 1, 1);
            Network guided = new Guidance(time -> time > 0.5 ? 1 : 3, 1).classifierFree(NETWORK, TO_NULL);
            assertThat(Tensors.doubles(guided.evaluate(x, Tensors.of(0.0, 1.0), Conditioning.classes(3, 3))))
                    .containsExactly(11 + 3 * (4 - 11), 5);
        }
    }

    /** Equation 3 of arXiv:2406.02507. */
    @Test
    void aWeakerModelGuidesOneWithoutClasses() {
        try (Scope scope = Scope.open()) {
            Network good = (x, t, cond) -> x.mul(Scalars.of(2));
            Network weak = (x, t, cond) -> x.mul(Scalars.of(5));
            Tensor x = Tensors.of(1.0, -3.0).view(2, 1, 1, 1);
            Network guided = Guidance.constant(2, 1).auto(good, weak);
            assertThat(Tensors.doubles(guided.evaluate(x, Tensors.of(0.0, 0.0), Conditioning.none())))
                    .containsExactly(2 + (2 - 5), -6 + (-6 + 15));
        }
    }

    @Test
    void scaleZeroIgnoresTheCondition() {
        try (Scope scope = Scope.open()) {
            Tensor x = Tensors.of(1.0, 2.0).view(1, 2, 1, 1);
            Network unguided = Guidance.constant(0, 2).classifierFree(NETWORK, TO_NULL);
            assertThat(Tensors.doubles(unguided.evaluate(x, Tensors.of(0.0), Conditioning.classes(3))))
                    .containsExactly(11, 22);
        }
    }

    @Test
    void channelsBehindTheGuidedOnesStayConditional() {
        try (Scope scope = Scope.open()) {
            Tensor x = Tensors.of(1.0, 1.0, 1.0).view(1, 3, 1, 1);
            Network guided = Guidance.constant(2, 1).classifierFree(NETWORK, TO_NULL);
            assertThat(Tensors.doubles(guided.evaluate(x, Tensors.of(0.0), Conditioning.classes(3))))
                    .containsExactly(11 + 2 * (4 - 11), 4, 4);
        }
    }

    @Test
    void bothBatchesAreEvaluatedAsOne() {
        try (Scope scope = Scope.open()) {
            int[] calls = {0};
            Network counting = (x, t, cond) -> {
                calls[0]++;
                assertThat(Tensors.longs(cond.get("class"))).containsExactly(3, 4, 10, 10);
                assertThat(x.size(0)).isEqualTo(4);
                return NETWORK.evaluate(x, t, cond);
            };
            Tensor x = Tensors.of(1.0, 2.0).view(2, 1, 1, 1);
            Guidance.constant(3, 1)
                    .classifierFree(counting, TO_NULL)
                    .evaluate(x, Tensors.of(0.0, 0.0), Conditioning.classes(3, 4));
            assertThat(calls[0]).isEqualTo(1);
        }
    }

    @ParameterizedTest
    @ValueSource(doubles = {-1, Double.NaN})
    void scaleIsNotNegative(double scale) {
        assertThatThrownBy(() -> Guidance.constant(scale, 1).classifierFree(NETWORK, TO_NULL))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("guidance scale must not be negative, got " + scale);
    }

    @Test
    void guidedChannelsAreSomeOfTheOutputs() {
        assertThatThrownBy(() -> Guidance.constant(2, 0).classifierFree(NETWORK, TO_NULL))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("guidedChannels must be at least 1, got 0");
        try (Scope scope = Scope.open()) {
            Tensor x = Tensors.of(1.0, 2.0).view(1, 2, 1, 1);
            Network guided = Guidance.constant(2, 3).classifierFree(NETWORK, TO_NULL);
            assertThatThrownBy(() -> guided.evaluate(x, Tensors.of(0.0), Conditioning.classes(3)))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessage("guidedChannels must be at most the 2 channels of the network's output, got 3");
        }
    }

    @Test
    void anUnconditionalNetworkCannotBeGuidedByClasses() {
        try (Scope scope = Scope.open()) {
            Tensor x = Tensors.of(1.0).view(1, 1, 1, 1);
            Network guided = Guidance.constant(2, 1).classifierFree(NETWORK, TO_NULL);
            assertThatThrownBy(() -> guided.evaluate(x, Tensors.of(0.0), Conditioning.none()))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessage("the network needs the input 'class', got []");
        }
    }

    @Test
    void guidedChannelsAreNamed() {
        assertThat(SamplingConfig.GuidedChannels.parse("all").count(16)).isEqualTo(16);
        assertThat(SamplingConfig.GuidedChannels.parse("first-three").count(4)).isEqualTo(3);
        SamplingConfig.GuidedChannels twelve = SamplingConfig.GuidedChannels.parse("first-12");
        assertThat(twelve.count(16)).isEqualTo(12);
        assertThat(twelve.label()).isEqualTo("first-12");
        assertThat(SamplingConfig.GuidedChannels.parse("first-3")).isEqualTo(SamplingConfig.GuidedChannels.FIRST_THREE);
        assertThatThrownBy(() -> twelve.count(4))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("guided channels must be at most the model's 4, got first-12");
        assertThatThrownBy(() -> SamplingConfig.GuidedChannels.parse("first-0"))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage(
                        "guided channels must be all, first-three or first- and a number, such as first-12, got first-0");
    }
}
