package org.mezzotint.eval;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.stream.Collectors;
import org.bytedeco.javacpp.BytePointer;
import org.bytedeco.pytorch.Device;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorVector;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.mezzotint.data.PictureFiles.Picture;
import org.mezzotint.data.Transforms;
import org.mezzotint.tensor.Scalars;
import org.mezzotint.tensor.Scope;
import org.mezzotint.tensor.Tensors;

/**
 * How 8-bit pictures become the input of the FID network, (N, 3, 299, 299), named after what each mode reproduces.
 * Results of different modes must not be compared: the choice alone can move FID by 6 and more.
 */
public enum ResizeMode {
    /** The graph of TensorFlow 1 that ADM's evaluator, EDM and torch-fidelity use: {@link Resampling#TENSORFLOW_BILINEAR}. */
    TENSORFLOW(Resampling.TENSORFLOW_BILINEAR),
    /** clean-fid's {@code clean}: Pillow's bicubic on each channel in float, clipped to 0 … 255, not rounded. */
    CLEAN(Resampling.BICUBIC_ANTIALIAS),
    /** clean-fid's quantised form: Pillow's bicubic on 8-bit pictures, {@link Transforms#resizePil}. */
    CLEAN_QUANTIZED(null),
    /** pytorch-fid: {@link Resampling#TORCH_BILINEAR}; its range is 2x/255 − 1, that of all others (x − 128)/128. */
    PYTORCH(Resampling.TORCH_BILINEAR),
    /** k-diffusion's evaluation: PyTorch's antialiased bicubic, clipped; equal to {@link #CLEAN} but for rounding. */
    K_DIFFUSION(Resampling.BICUBIC_ANTIALIAS);

    /** The side of the network's input. */
    public static final int SIDE = 299;

    private final Resampling rule;

    ResizeMode(Resampling rule) {
        this.rule = rule;
    }

    /**
     * The name in commands and results.
     *
     * @return such as {@code clean-quantized}
     */
    public String label() {
        return name().toLowerCase(Locale.ROOT).replace('_', '-');
    }

    /**
     * Reads a {@link #label}.
     *
     * @param label as written by people
     * @return the mode
     * @throws IllegalArgumentException if there is none of that name
     */
    public static ResizeMode parse(String label) {
        return Arrays.stream(values())
                .filter(mode -> mode.label().equals(label))
                .findFirst()
                .orElseThrow(() -> new IllegalArgumentException("resize mode must be one of "
                        + Arrays.stream(values()).map(ResizeMode::label).collect(Collectors.joining(", ")) + ", got "
                        + label));
    }

    /**
     * The network's input (N, 3, 299, 299).
     *
     * @param pictures of any sizes; at least one
     * @param type float32 or float64
     * @param device where the network lives
     * @return in the caller's scope
     */
    public Tensor input(List<Picture> pictures, ScalarType type, Device device) {
        if (pictures.isEmpty()) {
            throw new IllegalArgumentException("there must be at least one picture");
        }
        try (Scope scope = Scope.open()) {
            List<Tensor> parts = new ArrayList<>();
            for (int from = 0; from < pictures.size(); ) {
                int to = from + 1;
                while (to < pictures.size() && sameSize(pictures.get(from), pictures.get(to))) {
                    to++;
                }
                parts.add(range(resized(bytes(pictures.subList(from, to)), type, device)));
                from = to;
            }
            return scope.keep(
                    parts.size() == 1 ? parts.get(0) : torch.cat(new TensorVector(parts.toArray(Tensor[]::new)), 0));
        }
    }

    private static boolean sameSize(Picture a, Picture b) {
        return a.width() == b.width() && a.height() == b.height();
    }

    /** Levels 0 … 255 at the network's size, (N, 3, 299, 299). */
    private Tensor resized(Tensor bytes, ScalarType type, Device device) {
        Tensor x = bytes.to(device, type).permute(0, 3, 1, 2); // (N, 3, H, W)
        if (rule == null || (x.size(2) == SIDE && x.size(3) == SIDE)) {
            return x;
        }
        Tensor y = rule.resize(x, SIDE, SIDE);
        return rule == Resampling.BICUBIC_ANTIALIAS ? y.clamp(Scalars.optional(0), Scalars.optional(255)) : y;
    }

    /** Levels to the range that the weights were trained with. */
    private Tensor range(Tensor levels) {
        return this == PYTORCH
                ? levels.div(Scalars.of(127.5)).sub(Scalars.of(1))
                : levels.sub(Scalars.of(128)).div(Scalars.of(128));
    }

    /** Pictures of one size as uint8 (N, H, W, 3), resized already if the mode works on bytes. */
    private Tensor bytes(List<Picture> pictures) {
        Picture first = pictures.get(0);
        boolean onBytes = this == CLEAN_QUANTIZED;
        int h = onBytes ? SIDE : first.height();
        int w = onBytes ? SIDE : first.width();
        Tensor all = Tensors.empty(ScalarType.Byte, pictures.size(), h, w, 3);
        BytePointer data = new BytePointer(all.data_ptr());
        long each = 3L * h * w;
        for (int i = 0; i < pictures.size(); i++) {
            Picture picture = pictures.get(i);
            byte[] rgb = onBytes
                    ? Transforms.resizePil(
                            picture.rgb(), picture.width(), picture.height(), SIDE, SIDE, Transforms.Filter.BICUBIC)
                    : picture.rgb();
            data.position(i * each).put(rgb, 0, Math.toIntExact(each));
        }
        return all;
    }
}
