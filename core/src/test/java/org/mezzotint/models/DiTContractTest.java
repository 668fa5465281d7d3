package org.mezzotint.models;

import org.junit.jupiter.api.Nested;

class DiTContractTest {
    private static DiTConfig config(int numClasses, boolean learnSigma, DiTConfig.Conditioning conditioning) {
        return new DiTConfig(
                8,
                12,
                3,
                2,
                16,
                2,
                4,
                2.5,
                numClasses,
                numClasses > 0,
                learnSigma,
                conditioning,
                DiTConfig.Convention.paper());
    }

    @Nested
    class WithAdaLnZero extends ModelContract {
        @Override
        ModelConfig config() {
            return DiTContractTest.config(5, true, DiTConfig.Conditioning.ADALN_ZERO);
        }
    }

    @Nested
    class WithAdaLn extends ModelContract {
        @Override
        ModelConfig config() {
            return DiTContractTest.config(5, true, DiTConfig.Conditioning.ADALN);
        }
    }

    @Nested
    class WithCrossAttention extends ModelContract {
        @Override
        ModelConfig config() {
            return DiTContractTest.config(5, true, DiTConfig.Conditioning.CROSS_ATTENTION);
        }
    }

    @Nested
    class InContext extends ModelContract {
        @Override
        ModelConfig config() {
            return DiTContractTest.config(5, true, DiTConfig.Conditioning.IN_CONTEXT);
        }
    }

    @Nested
    class Unconditional extends ModelContract {
        @Override
        ModelConfig config() {
            return DiTContractTest.config(0, false, DiTConfig.Conditioning.ADALN_ZERO);
        }
    }
}
