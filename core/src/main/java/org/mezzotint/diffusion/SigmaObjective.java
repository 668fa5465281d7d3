package org.mezzotint.diffusion;

import java.util.Arrays;
import org.bytedeco.pytorch.Tensor;
import org.mezzotint.tensor.Conditioning;
import org.mezzotint.tensor.Scope;
import org.mezzotint.tensor.Tensors;

/** {@link SigmaLoss} at levels of a density. */
record SigmaObjective(SigmaDensity density, SigmaLoss loss) implements Objective {
    @Override
    public Levels levels(double... u) {
        double[] sigma = Arrays.stream(u).map(density::sigma).toArray();
        return new Levels(
                new int[0],
                sigma,
                Arrays.stream(sigma).map(level -> -2 * Math.log(level)).toArray());
    }

    @Override
    public Terms terms(Network network, Tensor x0, Levels levels, Tensor noise, Conditioning cond) {
        try (Scope scope = Scope.open()) {
            Tensor losses = scope.keep(loss.losses(network, x0, levels.time(), noise, cond));
            return new Terms(losses, losses, scope.keep(Tensors.of(new double[0])));
        }
    }

    @Override
    public boolean stratified() {
        return true;
    }
}
