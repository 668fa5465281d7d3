package org.mezzotint.tensor;

import org.bytedeco.pytorch.Dispatcher;
import org.bytedeco.pytorch.GenericList;
import org.bytedeco.pytorch.IValue;
import org.bytedeco.pytorch.IValueVector;
import org.bytedeco.pytorch.OperatorHandle;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorType;
import org.bytedeco.pytorch.Type;

/**
 * Operators of libtorch that have no Java method, called through its dispatcher: whole-list arithmetic for optimisers and
 * moving averages, and oneDNN's packed linear and convolution layers.
 *
 * <p>Arguments follow the operators' schemas in PyTorch 2.10's {@code native_functions.yaml}.
 */
public final class Ops {
    private static final OperatorHandle FUSED_ADAMW = find("aten::_fused_adamw_", "");
    private static final OperatorHandle FOREACH_ADD = find("aten::_foreach_add_", "Scalar");
    private static final OperatorHandle FOREACH_MUL = find("aten::_foreach_mul_", "Scalar");
    private static final OperatorHandle FOREACH_LERP = find("aten::_foreach_lerp_", "Scalar");

    private Ops() {}

    /**
     * One AdamW step over all parameters (arXiv:1711.05101v3, algorithm 2): decay, moments, bias correction, update.
     *
     * @param parameters changed in place
     * @param gradients of the parameters, in the same order
     * @param expAvgs first moments, changed in place
     * @param expAvgSqs second moments, changed in place
     * @param steps number of steps including this one, a 0-dimensional float32 tensor for each parameter
     * @param learningRate above 0
     * @param beta1 decay of the first moment
     * @param beta2 decay of the second moment
     * @param weightDecay decoupled decay, times the learning rate
     * @param epsilon added to the root of the second moment
     */
    public static void fusedAdamW(
            TensorList parameters,
            TensorList gradients,
            TensorList expAvgs,
            TensorList expAvgSqs,
            TensorList steps,
            double learningRate,
            double beta1,
            double beta2,
            double weightDecay,
            double epsilon) {
        try (Scope scope = Scope.open()) {
            call(
                    FUSED_ADAMW,
                    parameters.value(),
                    gradients.value(),
                    expAvgs.value(),
                    expAvgSqs.value(),
                    new IValue(new GenericList(new Type.TypePtr(TensorType.get()))), // max_exp_avg_sqs: no amsgrad
                    steps.value(),
                    new IValue(learningRate),
                    new IValue(beta1),
                    new IValue(beta2),
                    new IValue(weightDecay),
                    new IValue(epsilon),
                    new IValue(false), // amsgrad
                    new IValue(false), // maximize
                    new IValue(), // grad_scale
                    new IValue()); // found_inf
        }
    }

    /**
     * Adds a number to every tensor, in place.
     *
     * @param tensors changed
     * @param value added
     */
    public static void foreachAdd(TensorList tensors, double value) {
        try (Scope scope = Scope.open()) {
            call(FOREACH_ADD, tensors.value(), new IValue(new Scalar(value)));
        }
    }

    /**
     * Multiplies every tensor by a number, in place.
     *
     * @param tensors changed
     * @param factor multiplied
     */
    public static void foreachMul(TensorList tensors, double factor) {
        try (Scope scope = Scope.open()) {
            call(FOREACH_MUL, tensors.value(), new IValue(new Scalar(factor)));
        }
    }

    /**
     * Moves every tensor towards its partner, in place: {@code a += weight · (b − a)}.
     *
     * @param tensors changed
     * @param targets the partners, in the same order
     * @param weight 0 keeps, 1 copies
     */
    public static void foreachLerp(TensorList tensors, TensorList targets, double weight) {
        try (Scope scope = Scope.open()) {
            call(FOREACH_LERP, tensors.value(), targets.value(), new IValue(new Scalar(weight)));
        }
    }

    /** What oneDNN applies to the result of a packed linear layer while it is still in the cache. */
    public enum Activation {
        /** Nothing. */
        NONE("none", ""),
        /** GELU in its tanh form. */
        GELU_TANH("gelu", "tanh");

        private final String attribute;
        private final String algorithm;

        Activation(String attribute, String algorithm) {
            this.attribute = attribute;
            this.algorithm = algorithm;
        }
    }

    /** oneDNN on the CPU; looked up on first use, because other builds of libtorch lack it. */
    private static final class OneDnn {
        static final OperatorHandle REORDER = find("mkldnn::_reorder_linear_weight", "");
        static final OperatorHandle LINEAR = find("mkldnn::_linear_pointwise", "");
        static final IValue NO_SCALARS = noScalars();

        private static IValue noScalars() {
            Scope scope = Scope.owner();
            try {
                return new IValue(new GenericList(LINEAR.schema()
                        .arguments()
                        .getPointer(4)
                        .real_type()
                        .get()
                        .containedType(0)));
            } finally {
                scope.leave();
            }
        }
    }

    /**
     * Lays a weight (out, in) out for {@link #packedLinear}.
     *
     * @param weight contiguous, on the CPU
     * @param rows the number of rows that inputs will usually have
     * @return an opaque tensor of the same size
     */
    public static Tensor packLinearWeight(Tensor weight, long rows) {
        try (Scope scope = Scope.open()) {
            return scope.keep(call(OneDnn.REORDER, new IValue(weight), new IValue(rows)));
        }
    }

    /**
     * {@code activation(x · Wᵀ + b)} with a packed weight, without gradients.
     *
     * @param x (…, in), in the weight's type
     * @param packed from {@link #packLinearWeight}
     * @param bias (out,), or null for none
     * @param activation applied to the result
     * @return (…, out)
     */
    public static Tensor packedLinear(Tensor x, Tensor packed, Tensor bias, Activation activation) {
        try (Scope scope = Scope.open()) {
            return scope.keep(call(
                    OneDnn.LINEAR,
                    new IValue(x),
                    new IValue(packed),
                    bias == null ? new IValue() : new IValue(bias),
                    new IValue(activation.attribute),
                    OneDnn.NO_SCALARS,
                    new IValue(activation.algorithm)));
        }
    }

    /** oneDNN's convolutions, apart from its linear layers for builds that lack them. */
    private static final class OneDnnConvolution {
        static final OperatorHandle REORDER = find("mkldnn::_reorder_convolution_weight", "");
        static final OperatorHandle POINTWISE = find("mkldnn::_convolution_pointwise", "");
        static final Type.TypePtr NUMBERS = elements(3);
        static final Type.TypePtr SCALARS = elements(8);

        /** The type of the elements of one of the lists that the convolution takes. */
        private static Type.TypePtr elements(int argument) {
            Scope scope = Scope.owner();
            try {
                return POINTWISE
                        .schema()
                        .arguments()
                        .getPointer(argument)
                        .real_type()
                        .get()
                        .containedType(0);
            } finally {
                scope.leave();
            }
        }

        static IValue numbers(long... values) {
            GenericList list = new GenericList(NUMBERS);
            for (long value : values) {
                list.push_back(new IValue(value));
            }
            return new IValue(list);
        }
    }

    /**
     * Lays a convolution's weight (out, in, k, k) out for {@link #packedConvolution}.
     *
     * @param weight on the CPU
     * @param padding rows and columns of zeros around a picture
     * @param stride steps of the kernel
     * @param input the shape (N, in, H, W) that inputs will usually have
     * @return an opaque tensor of the same size
     */
    public static Tensor packConvolutionWeight(Tensor weight, long[] padding, long[] stride, long... input) {
        try (Scope scope = Scope.open()) {
            return scope.keep(call(
                    OneDnnConvolution.REORDER,
                    new IValue(weight),
                    OneDnnConvolution.numbers(padding),
                    OneDnnConvolution.numbers(stride),
                    OneDnnConvolution.numbers(1, 1),
                    new IValue(1L),
                    OneDnnConvolution.numbers(input)));
        }
    }

    /**
     * A convolution with a packed weight, without gradients.
     *
     * @param x (N, in, H, W), in the weight's type
     * @param packed from {@link #packConvolutionWeight}
     * @param bias (out,), or null for none
     * @param padding as when it was packed
     * @param stride as when it was packed
     * @return (N, out, H', W')
     */
    public static Tensor packedConvolution(Tensor x, Tensor packed, Tensor bias, long[] padding, long... stride) {
        try (Scope scope = Scope.open()) {
            return scope.keep(call(
                    OneDnnConvolution.POINTWISE,
                    new IValue(x),
                    new IValue(packed),
                    bias == null ? new IValue() : new IValue(bias),
                    OneDnnConvolution.numbers(padding),
                    OneDnnConvolution.numbers(stride),
                    OneDnnConvolution.numbers(1, 1),
                    new IValue(1L),
                    new IValue(Activation.NONE.attribute),
                    new IValue(new GenericList(OneDnnConvolution.SCALARS)),
                    new IValue(Activation.NONE.algorithm)));
        }
    }

    /** Calls an operator and returns its first result, if that is a tensor. */
    private static Tensor call(OperatorHandle operator, IValue... arguments) {
        IValueVector stack = new IValueVector(arguments);
        operator.callBoxed(stack);
        // get and toTensor give references into the stack: the copy is a handle of its own
        return !stack.empty() && stack.get(0).isTensor()
                ? new Tensor(stack.get(0).toTensor())
                : null;
    }

    /** Handles live as long as the class, whatever scope is open when it is loaded. */
    private static OperatorHandle find(String name, String overload) {
        Scope scope = Scope.owner();
        try {
            return Dispatcher.singleton().findSchemaOrThrow(name, overload);
        } finally {
            scope.leave();
        }
    }
}
