package org.mezzotint.train;

import java.util.ArrayList;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Function;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorOptions;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.mezzotint.io.CheckpointException;
import org.mezzotint.models.Model;
import org.mezzotint.tensor.Ops;
import org.mezzotint.tensor.Scope;
import org.mezzotint.tensor.TensorList;

/**
 * AdamW (arXiv:1711.05101v3, algorithm 2) over named parameters; one fused kernel updates all that are tuned alike.
 *
 * <p>Its state can be saved: {@code exp_avg.<name>} and {@code exp_avg_sq.<name>}, and the number of steps.
 */
public final class AdamW implements AutoCloseable {
    private static final String FIRST = "exp_avg.";
    private static final String SECOND = "exp_avg_sq.";

    private final Map<String, Tensor> parameters;
    private final Map<String, Tensor> moments = new LinkedHashMap<>();
    private final double beta1;
    private final double beta2;
    private final double weightDecay;
    private final double epsilon;
    private final Scope scope;
    private final List<Group> groups = new ArrayList<>();
    private final TensorList parameterList;
    private long steps;

    /** Parameters that are tuned alike; the lists share their order. */
    private static final class Group {
        final Model.Tuning tuning;
        final Map<String, Tensor> parameters = new LinkedHashMap<>();
        private final List<Tensor> plain = new ArrayList<>();
        private final List<Tensor> first = new ArrayList<>();
        private final List<Tensor> second = new ArrayList<>();
        private final List<Tensor> counts = new ArrayList<>();
        TensorList parameterList;
        TensorList firstList;
        TensorList secondList;
        TensorList stepList;

        Group(Model.Tuning tuning) {
            this.tuning = tuning;
        }

        void add(String name, Tensor parameter, Tensor firstMoment, Tensor secondMoment) {
            parameters.put(name, parameter);
            plain.add(parameter.detach()); // the same memory, without the question of gradients
            first.add(firstMoment);
            second.add(secondMoment);
            counts.add(torch.zeros(new long[0], new TensorOptions(ScalarType.Float))
                    .to(parameter.device(), ScalarType.Float));
        }

        void seal() {
            parameterList = new TensorList(plain);
            firstList = new TensorList(first);
            secondList = new TensorList(second);
            stepList = new TensorList(counts);
        }

        void close() {
            parameterList.close();
            firstList.close();
            secondList.close();
            stepList.close();
        }
    }

    /**
     * Starts with moments of zero.
     *
     * @param parameters changed by {@link #step}; they must outlive the optimiser
     * @param tuning how each is treated, by name
     * @param beta1 decay of the first moment
     * @param beta2 decay of the second moment
     * @param weightDecay decoupled decay of the parameters that decay
     * @param epsilon added to the root of the second moment
     */
    public AdamW(
            Map<String, Tensor> parameters,
            Function<String, Model.Tuning> tuning,
            double beta1,
            double beta2,
            double weightDecay,
            double epsilon) {
        this.parameters = parameters;
        this.beta1 = beta1;
        this.beta2 = beta2;
        this.weightDecay = weightDecay;
        this.epsilon = epsilon;
        scope = Scope.owner();
        Map<Model.Tuning, Group> byTuning = new LinkedHashMap<>();
        List<Tensor> plain = new ArrayList<>();
        parameters.forEach((name, parameter) -> {
            Tensor first = torch.zeros_like(parameter);
            Tensor second = torch.zeros_like(parameter);
            moments.put(FIRST + name, first);
            moments.put(SECOND + name, second);
            plain.add(parameter.detach());
            byTuning.computeIfAbsent(tuning.apply(name), Group::new).add(name, parameter, first, second);
        });
        groups.addAll(byTuning.values());
        groups.forEach(Group::seal);
        parameterList = new TensorList(plain);
        scope.leave();
    }

    /**
     * One update from the parameters' gradients.
     *
     * @param learningRate at least 0, before each parameter's own scale
     */
    public void step(double learningRate) {
        try (Scope step = Scope.open();
                NoGradGuard noGrad = new NoGradGuard()) {
            for (Group group : groups) {
                List<Tensor> gradients = new ArrayList<>();
                group.parameters.forEach((name, parameter) -> {
                    Tensor gradient = parameter.grad();
                    if (!gradient.defined()) {
                        throw new IllegalStateException("parameter " + name + " has no gradient");
                    }
                    gradients.add(gradient);
                });
                try (TensorList list = new TensorList(gradients)) {
                    Ops.foreachAdd(group.stepList, 1); // the kernel wants the number of steps including this one
                    Ops.fusedAdamW(
                            group.parameterList,
                            list,
                            group.firstList,
                            group.secondList,
                            group.stepList,
                            learningRate * group.tuning.learningRateScale(),
                            beta1,
                            beta2,
                            group.tuning.weightDecay() ? weightDecay : 0,
                            epsilon);
                }
            }
        }
        steps++;
    }

    /** Forgets all gradients. */
    public void zeroGradients() {
        try (Scope zero = Scope.open()) {
            parameters.values().forEach(parameter -> parameter.mutable_grad().reset());
        }
    }

    /**
     * What is updated.
     *
     * @return the parameters themselves, with their gradients
     */
    Collection<Tensor> parameters() {
        return parameters.values();
    }

    /**
     * The parameters, in the order of the moments.
     *
     * @return a list that shares their memory
     */
    TensorList parameterList() {
        return parameterList;
    }

    /**
     * The moments by name, to be saved.
     *
     * @return the optimiser's own tensors
     */
    Map<String, Tensor> moments() {
        return moments;
    }

    /**
     * Goes on from a saved state.
     *
     * @param saved gives every moment by name, in the caller's scope; null for one that it lacks
     * @param savedSteps updates done so far
     * @throws CheckpointException if a moment is missing or has another shape
     */
    void restore(Function<String, Tensor> saved, long savedSteps) {
        try (NoGradGuard noGrad = new NoGradGuard()) {
            moments.forEach((name, moment) -> {
                try (Scope each = Scope.open()) {
                    Tensor value = saved.apply(name);
                    if (value == null || !java.util.Arrays.equals(value.shape(), moment.shape())) {
                        throw new CheckpointException("the optimiser state lacks " + name + " in shape "
                                + java.util.Arrays.toString(moment.shape()));
                    }
                    moment.copy_(value);
                }
            });
        }
        steps = savedSteps;
        try (Scope counts = Scope.open()) {
            for (Group group : groups) {
                Ops.foreachMul(group.stepList, 0);
                Ops.foreachAdd(group.stepList, (double) savedSteps);
            }
        }
    }

    /**
     * Updates done.
     *
     * @return at least 0
     */
    public long steps() {
        return steps;
    }

    /**
     * Whether every parameter is finite.
     *
     * @return false if one holds an infinity or a NaN
     */
    boolean allFinite() {
        try (Scope check = Scope.open();
                NoGradGuard noGrad = new NoGradGuard()) {
            for (Tensor parameter : parameters.values()) {
                double sum = parameter.detach().abs().sum().item_double();
                if (!Double.isFinite(sum)) {
                    return false;
                }
            }
            return true;
        }
    }

    @Override
    public void close() {
        parameterList.close();
        groups.forEach(Group::close);
        scope.close();
    }
}
