package org.mezzotint.models;

import java.util.List;
import org.junit.jupiter.api.Nested;
import org.mezzotint.models.DdpmPlusPlusConfig.Attention;
import org.mezzotint.models.DdpmPlusPlusConfig.Level;

class DdpmPlusPlusContractTest {
    @Nested
    class ThePapers extends ModelContract {
        @Override
        ModelConfig config() {
            return new DdpmPlusPlusConfig(
                    8,
                    12,
                    3,
                    4,
                    List.of(new Level(8, false), new Level(16, true), new Level(12, false)),
                    2,
                    Attention.SELF,
                    0.13,
                    0);
        }
    }

    @Nested
    class TimeDependentWithClasses extends ModelContract {
        @Override
        ModelConfig config() {
            return new DdpmPlusPlusConfig(
                    4, 6, 3, 8, List.of(new Level(12, true), new Level(16, false)), 1, Attention.TMSA, 0.2, 5);
        }
    }
}
