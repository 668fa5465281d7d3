package org.mezzotint.eval;

import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.mezzotint.io.InputException;
import org.mezzotint.io.Npz;
import org.mezzotint.io.TensorFile;
import org.mezzotint.tensor.Scope;
import org.mezzotint.tensor.Shapes;
import org.mezzotint.tensor.Tensors;

/**
 * Means and covariances of a reference set, in the files that the field exchanges: {@code mu} (D,) and {@code sigma} (D, D)
 * as EDM, pytorch-fid and clean-fid write them, and with {@code mu_s}, {@code sigma_s} of the spatial features as ADM does.
 * They do not own their tensors.
 *
 * @param features of FID
 * @param spatial of sFID, if the file has them
 */
public record ReferenceStats(Moments features, Optional<Moments> spatial) {
    /** How far apart mirrored entries may be, as a share of the largest: rounding to float32, no more. */
    private static final double ASYMMETRY = 1e-6;

    /**
     * Whether a file is one of statistics.
     *
     * @param file open
     * @return true if it has {@code mu} or {@code sigma}
     */
    public static boolean isIn(TensorFile file) {
        return file.contains("mu") || file.contains("sigma");
    }

    /**
     * Reads statistics.
     *
     * @param path an npz (or safetensors) file
     * @return in the caller's scope
     * @throws InputException if something is missing, mis-shaped, not finite or not symmetric
     */
    public static ReferenceStats read(Path path) {
        try (TensorFile file = TensorFile.open(path)) {
            return read(file);
        }
    }

    /**
     * Reads statistics.
     *
     * @param file open
     * @return in the caller's scope
     * @throws InputException if something is missing, mis-shaped, not finite or not symmetric
     */
    public static ReferenceStats read(TensorFile file) {
        Moments features = moments(file, "mu", "sigma");
        boolean spatial = file.contains("mu_s") || file.contains("sigma_s");
        return new ReferenceStats(features, spatial ? Optional.of(moments(file, "mu_s", "sigma_s")) : Optional.empty());
    }

    private static Moments moments(TensorFile file, String mu, String sigma) {
        for (String name : new String[] {mu, sigma}) {
            if (!file.contains(name)) {
                throw new InputException(file.source() + ": statistics need " + mu + " and " + sigma + ", the file has "
                        + String.join(", ", file.names()));
            }
        }
        long[] shape = file.shape(mu);
        long[] square = file.shape(sigma);
        if (shape.length != 1 || square.length != 2 || square[0] != shape[0] || square[1] != shape[0]) {
            throw new InputException(file.source() + ": " + sigma + " must be as wide and high as " + mu
                    + " is long, got " + Shapes.toString(square) + " and " + Shapes.toString(shape));
        }
        try (Scope scope = Scope.open()) {
            Tensor mean = file.tensor(mu).to(ScalarType.Double);
            Tensor covariance = file.tensor(sigma).to(ScalarType.Double);
            boolean finite = mean.isfinite().all().item_bool()
                    && covariance.isfinite().all().item_bool();
            if (!finite) {
                throw new InputException(file.source() + ": " + mu + " and " + sigma + " must be finite");
            }
            double largest = shape[0] == 0 ? 0 : covariance.abs().max().item_double();
            double apart = shape[0] == 0
                    ? 0
                    : covariance.sub(covariance.t()).abs().max().item_double();
            if (apart > ASYMMETRY * largest) {
                throw new InputException(file.source() + ": " + sigma + " must be symmetric, got entries " + apart
                        + " apart where the largest is " + largest);
            }
            return new Moments(scope.keep(mean), scope.keep(covariance));
        }
    }

    /**
     * Writes them as npz of float64: {@code mu} and {@code sigma}, and {@code mu_s} and {@code sigma_s} if there are any.
     *
     * @param target the file; its folder must exist
     * @throws InputException if it cannot be written
     */
    public void write(Path target) {
        Map<String, Tensor> arrays = new LinkedHashMap<>();
        arrays.put("mu", features.mean());
        arrays.put("sigma", features.covariance());
        spatial.ifPresent(moments -> {
            arrays.put("mu_s", moments.mean());
            arrays.put("sigma_s", moments.covariance());
        });
        Npz.write(target, arrays);
    }

    /**
     * Identifies the numbers, whatever file holds them: SHA-256 of {@code mu} and {@code sigma} as float64.
     *
     * @return 16 hexadecimal digits
     */
    public String id() {
        return new ContentHash()
                .add(Tensors.doubles(features.mean()))
                .add(Tensors.doubles(features.covariance()))
                .hex();
    }
}
