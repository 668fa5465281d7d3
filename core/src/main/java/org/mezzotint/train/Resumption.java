package org.mezzotint.train;

import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import org.mezzotint.io.InputException;

/** Which parts of a recipe may change when a run goes on. */
final class Resumption {
    private Resumption() {}

    /**
     * Compares a recipe with the saved one.
     *
     * @throws InputException naming the sections that differ and must not
     */
    static void check(RunDirectory directory, TrainConfig config) {
        TrainConfig saved = directory.config();
        List<String> differing = new ArrayList<>();
        compare("model", saved.model(), config.model(), differing);
        compare("diffusion", saved.diffusion(), config.diffusion(), differing);
        compare("data", saved.data(), config.data(), differing);
        boolean lengthMatters = saved.training().schedule() instanceof LrSchedule.Cosine;
        compare(
                "training",
                saved.training(),
                lengthMatters
                        ? config.training()
                        : config.training().withDuration(saved.training().durationImages()),
                differing);
        compare(
                "validation.images",
                saved.validation().images(),
                config.validation().images(),
                differing);
        if (!differing.isEmpty()) {
            throw new InputException("the recipe is not the one that the run in " + directory.root()
                    + " was started with; " + String.join("; ", differing));
        }
    }

    private static void compare(String name, Object saved, Object given, List<String> differing) {
        if (!Objects.equals(saved, given)) {
            differing.add(name + " was " + saved + ", now is " + given);
        }
    }
}
