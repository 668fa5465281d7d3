package org.mezzotint.models;

import java.util.List;
import org.junit.jupiter.api.Nested;
import org.mezzotint.models.ImageDiffiTConfig.Decoder;
import org.mezzotint.models.ImageDiffiTConfig.Design;
import org.mezzotint.models.ImageDiffiTConfig.Encoder;
import org.mezzotint.models.ImageDiffiTConfig.Stage;
import org.mezzotint.models.ImageDiffiTConfig.Time;
import org.mezzotint.models.ImageDiffiTConfig.TimeEmbedding;

class ImageDiffiTContractTest {
    /** 12 × 20, 6 × 10 and 3 × 5 tokens: the window divides none of the widths. */
    @Nested
    class ThePapers extends ModelContract {
        @Override
        ModelConfig config() {
            return new ImageDiffiTConfig(
                    12,
                    20,
                    3,
                    1,
                    List.of(new Stage(8, 1), new Stage(16, 1), new Stage(24, 1)),
                    3,
                    4,
                    2.5,
                    4,
                    14,
                    5,
                    true,
                    Design.paper());
        }
    }

    @Nested
    class APlainTransformer extends ModelContract {
        @Override
        ModelConfig config() {
            return new ImageDiffiTConfig(
                    8,
                    12,
                    3,
                    2,
                    List.of(new Stage(16, 4)),
                    4,
                    8,
                    2,
                    4,
                    10,
                    0,
                    false,
                    new Design(Encoder.PLAIN, Decoder.MLA, Time.STAGE, TimeEmbedding.POSITIONAL));
        }
    }

    @Nested
    class DiffiTsEncoderOnly extends ModelContract {
        @Override
        ModelConfig config() {
            return new ImageDiffiTConfig(
                    8,
                    12,
                    3,
                    1,
                    List.of(new Stage(8, 1), new Stage(16, 2)),
                    2,
                    4,
                    2,
                    4,
                    10,
                    4,
                    false,
                    new Design(Encoder.DIFFIT, Decoder.PLAIN, Time.TOKEN, TimeEmbedding.FOURIER));
        }
    }

    @Nested
    class SeveralResolutionsAndTheMlaDecoder extends ModelContract {
        @Override
        ModelConfig config() {
            return new ImageDiffiTConfig(
                    8,
                    12,
                    3,
                    1,
                    List.of(new Stage(8, 1), new Stage(16, 2)),
                    4,
                    4,
                    2,
                    4,
                    10,
                    0,
                    true,
                    new Design(Encoder.DIFFIT, Decoder.MLA, Time.BIAS, TimeEmbedding.POSITIONAL));
        }
    }
}
