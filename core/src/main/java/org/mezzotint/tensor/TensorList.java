package org.mezzotint.tensor;

import java.util.List;
import org.bytedeco.pytorch.GenericList;
import org.bytedeco.pytorch.IValue;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorType;
import org.bytedeco.pytorch.Type;

/**
 * A list of tensors in the form that the dispatcher takes. Building one costs about 1 µs a tensor, so lists that do not
 * change (parameters, moments, averages) are built once. It does not own the tensors.
 */
public final class TensorList implements AutoCloseable {
    private final Scope scope;
    private final IValue value;
    private final int size;

    /**
     * Makes a list.
     *
     * @param tensors its elements, in order
     */
    public TensorList(List<Tensor> tensors) {
        scope = Scope.owner();
        GenericList list = new GenericList(new Type.TypePtr(TensorType.get()));
        for (Tensor tensor : tensors) {
            list.push_back(new IValue(tensor));
        }
        value = new IValue(list);
        size = tensors.size();
        scope.leave();
    }

    /**
     * The number of tensors.
     *
     * @return at least 0
     */
    public int size() {
        return size;
    }

    IValue value() {
        return value;
    }

    @Override
    public void close() {
        scope.close();
    }
}
