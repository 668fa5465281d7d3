package org.mezzotint.models;

import java.util.List;
import org.junit.jupiter.api.Nested;
import org.mezzotint.models.HDiTConfig.Design;
import org.mezzotint.models.HDiTConfig.FeedForward;
import org.mezzotint.models.HDiTConfig.Global;
import org.mezzotint.models.HDiTConfig.Level;
import org.mezzotint.models.HDiTConfig.Mapping;
import org.mezzotint.models.HDiTConfig.Neighborhood;
import org.mezzotint.models.HDiTConfig.None;
import org.mezzotint.models.HDiTConfig.Norm;
import org.mezzotint.models.HDiTConfig.Position;
import org.mezzotint.models.HDiTConfig.ShiftedWindow;
import org.mezzotint.models.HDiTConfig.Similarity;
import org.mezzotint.models.HDiTConfig.Skip;

class HDiTContractTest {
    /** 8 × 12 tokens outside, 4 × 6 in the middle, 2 × 3 inside. */
    private static HDiTConfig config(List<Level> levels, int numClasses, int extraWidth, Design design) {
        return new HDiTConfig(16, 24, 3, 2, 2, levels, new Mapping(10, 2, 14, 0.1), numClasses, extraWidth, design);
    }

    @Nested
    class ThePapers extends ModelContract {
        @Override
        ModelConfig config() {
            return HDiTContractTest.config(
                    List.of(
                            new Level(16, 1, 20, new Neighborhood(8, 3), 0),
                            new Level(24, 2, 18, new ShiftedWindow(8, 2), 0.1),
                            new Level(32, 2, 22, new Global(16), 0.2)),
                    5,
                    0,
                    Design.paper());
        }
    }

    @Nested
    class WithDiTsParts extends ModelContract {
        @Override
        ModelConfig config() {
            return HDiTContractTest.config(
                    List.of(new Level(16, 1, 20, new Neighborhood(8, 5), 0), new Level(24, 1, 18, new Global(8), 0)),
                    5,
                    0,
                    new Design(
                            Position.LEARNED,
                            Similarity.DOT_PRODUCT,
                            FeedForward.GELU,
                            Norm.ADA_LN,
                            true,
                            Skip.CONCATENATE));
        }
    }

    @Nested
    class UnconditionalWithAnExtraVector extends ModelContract {
        @Override
        ModelConfig config() {
            return HDiTContractTest.config(
                    List.of(new Level(16, 2, 20, new None(), 0.3), new Level(24, 1, 18, new Global(8), 0)),
                    0,
                    7,
                    new Design(
                            Position.AXIAL_ROPE_FULL,
                            Similarity.COSINE,
                            FeedForward.GEGLU,
                            Norm.ADA_RMS_NORM,
                            false,
                            Skip.ADD));
        }
    }
}
