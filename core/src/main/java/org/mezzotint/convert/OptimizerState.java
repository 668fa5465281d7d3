package org.mezzotint.convert;

import java.util.Arrays;
import java.util.Map;
import org.bytedeco.pytorch.Tensor;
import org.mezzotint.io.CheckpointException;
import org.mezzotint.io.TensorFile;

/** The state of {@code torch.optim.AdamW} under {@code opt.state}, numbered by parameter. */
final class OptimizerState {
    private OptimizerState() {}

    /**
     * Adds one parameter's moments.
     *
     * @param file a training checkpoint
     * @param number of the parameter
     * @param name ours
     * @param weight of the parameter, whose shape the moments must have
     * @param moments receives both
     * @param steps of the parameters before, or −1
     * @return the number of updates
     */
    static long add(TensorFile file, int number, String name, Tensor weight, Map<String, Tensor> moments, long steps) {
        String prefix = "opt.state." + number + ".";
        for (String moment : new String[] {"exp_avg", "exp_avg_sq"}) {
            if (!file.contains(prefix + moment)) {
                throw new CheckpointException("the optimiser's state lacks " + prefix + moment + " (" + name + ")");
            }
            if (!Arrays.equals(file.shape(prefix + moment), weight.shape())) {
                throw new CheckpointException("the optimiser's " + prefix + moment + " must have the shape of " + name
                        + ", " + Arrays.toString(weight.shape()) + ", got "
                        + Arrays.toString(file.shape(prefix + moment)));
            }
            moments.put(moment + "." + name, file.tensor(prefix + moment));
        }
        long own = (long) file.tensor(prefix + "step").item_double();
        if (steps >= 0 && own != steps) {
            throw new CheckpointException(
                    "the optimiser's parameters have seen different numbers of updates: " + steps + " and " + own);
        }
        return own;
    }
}
