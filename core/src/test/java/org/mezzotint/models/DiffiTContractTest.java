package org.mezzotint.models;

import org.junit.jupiter.api.Nested;

class DiffiTContractTest {
    private static DiffiTConfig config(int numClasses, boolean learnSigma, DiffiTConfig.Time time) {
        return new DiffiTConfig(8, 12, 3, 2, 16, 2, 4, 2.5, numClasses, numClasses > 0, learnSigma, time);
    }

    @Nested
    class WithTmsa extends ModelContract {
        @Override
        ModelConfig config() {
            return DiffiTContractTest.config(5, true, DiffiTConfig.Time.TMSA);
        }
    }

    @Nested
    class WithTimeInTheMlp extends ModelContract {
        @Override
        ModelConfig config() {
            return DiffiTContractTest.config(5, true, DiffiTConfig.Time.MLP);
        }
    }

    @Nested
    class WithTimeInTheBias extends ModelContract {
        @Override
        ModelConfig config() {
            return DiffiTContractTest.config(5, true, DiffiTConfig.Time.BIAS);
        }
    }

    @Nested
    class Unconditional extends ModelContract {
        @Override
        ModelConfig config() {
            return DiffiTContractTest.config(0, false, DiffiTConfig.Time.TMSA);
        }
    }
}
