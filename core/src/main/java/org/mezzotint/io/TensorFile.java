package org.mezzotint.io;

import java.nio.file.Path;
import java.util.Arrays;
import java.util.Map;
import java.util.Set;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.mezzotint.tensor.Scope;

/**
 * Named tensors in a file of any format. Names, shapes and types are known and checked once the file is open; the data are
 * read tensor by tensor.
 *
 * <pre>{@code
 *   try (TensorFile file = TensorFile.open(path); Scope scope = Scope.open()) {
 *       Tensor weight = file.section("ema").tensor("blocks.0.attn.qkv.weight");
 *   }
 * }</pre>
 *
 * <p>A file belongs to one thread. Its tensors belong to the caller's scope and outlive it.
 */
public interface TensorFile extends AutoCloseable {
    /**
     * Opens a file of tensors, whatever its name ends in: safetensors, the index of a sharded safetensors folder, a PyTorch
     * file (zip or legacy), npz or npy.
     *
     * @param path the file
     * @return the open file
     * @throws CheckpointException if it is none of these, saying what it looks like, or if it is damaged
     */
    static TensorFile open(Path path) {
        return FileKind.of(path).open(path);
    }

    /**
     * Where the tensors are from, for messages.
     *
     * @return the path, with the section if it is one
     */
    String source();

    /**
     * The names of all tensors.
     *
     * @return the names in the file's order; cannot be changed
     */
    Set<String> names();

    /**
     * Whether there is such a tensor.
     *
     * @param name the name
     * @return true if {@link #tensor} can give it
     */
    boolean contains(String name);

    /**
     * The shape of a tensor.
     *
     * @param name the name
     * @return its sizes; empty for a single number
     * @throws CheckpointException if there is no such tensor
     */
    long[] shape(String name);

    /**
     * The number type of a tensor.
     *
     * @param name the name
     * @return its type
     * @throws CheckpointException if there is no such tensor
     */
    ScalarType type(String name);

    /**
     * Gives a tensor of {@link #shape} and {@link #type} on the CPU. It belongs to the caller's scope, outlives this reader
     * and shares no memory with another one; large ones are private memory maps of the file, which must not be shortened
     * while they live.
     *
     * @param name the name
     * @return a new tensor
     * @throws CheckpointException if there is no such tensor or its data cannot be read
     */
    Tensor tensor(String name);

    /**
     * Overwrites a tensor with one of the file, converting it to the number type and device of the target. A contiguous
     * target on the CPU of the file's number type is read into directly: faster than {@link #tensor} and a copy.
     *
     * @param name the name
     * @param target of the same shape; if this fails, its numbers are undefined
     * @throws IllegalArgumentException if the target has another shape
     * @throws CheckpointException if there is no such tensor or its data cannot be read
     */
    default void copyTo(String name, Tensor target) {
        if (!Arrays.equals(shape(name), target.shape())) {
            throw new IllegalArgumentException("the target of \"" + name + "\" must have the shape "
                    + Arrays.toString(shape(name)) + ", got " + Arrays.toString(target.shape()));
        }
        try (NoGradGuard noGrad = new NoGradGuard();
                Scope scope = Scope.open()) {
            if (!read(name, target)) {
                target.copy_(tensor(name));
            }
        }
    }

    /**
     * Reads a tensor's bytes into the memory of another one, if that can hold them as they are. Callers use {@link #copyTo}.
     *
     * @param name the name
     * @param target of the same shape
     * @return whether it was done
     * @throws CheckpointException if there is no such tensor or its data cannot be read
     */
    default boolean read(String name, Tensor target) {
        return false;
    }

    /**
     * The free-form texts of the file.
     *
     * @return key to value, in the file's order; empty if there are none
     */
    Map<String, String> metadata();

    /**
     * The tensors below a name: {@code section("ema")} gives {@code ema.pos_embed} as {@code pos_embed}. Closing it does
     * nothing.
     *
     * @param name what stands before the dot
     * @return a view of this file
     * @throws CheckpointException if there is no tensor below that name
     */
    default TensorFile section(String name) {
        return TensorSection.of(this, name);
    }

    /** Closes the file. Tensors that it gave stay valid. */
    @Override
    void close();
}
