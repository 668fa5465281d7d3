package org.mezzotint.bench;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.mezzotint.io.Yaml;
import org.mezzotint.train.TrainConfig;

class PeerRecipeTest {
    private static final Path CONFIGS = Path.of("..", "configs");

    @Test
    void theCifarRecipeInThePeersWords() {
        TrainConfig config = Yaml.read(CONFIGS.resolve("cifar10-dit.yaml"), TrainConfig.class);
        assertThat(Yaml.toJson(PeerRecipe.translate(config)))
                .isEqualTo("{\"steps\":6250,\"batchSize\":64,\"patchSize\":4,\"hiddenSize\":192,\"depth\":5,"
                        + "\"numHeads\":3,\"mlpRatio\":4.0,\"numClasses\":10,\"learnSigma\":false,"
                        + "\"schedule\":\"squaredcos\",\"prediction\":\"v\",\"loss\":\"mse\",\"learningRate\":0.001,"
                        + "\"warmupImages\":12800,\"beta1\":0.9,\"beta2\":0.99,\"weightDecay\":0.0,"
                        + "\"gradientClip\":1.0,\"emaDecay\":0.999,\"classDropout\":0.1}");
    }

    @Test
    void whatThePeerDoesNotHaveIsRefused() {
        TrainConfig quickstart = Yaml.read(CONFIGS.resolve("quickstart.yaml"), TrainConfig.class);
        assertThatThrownBy(() -> PeerRecipe.translate(quickstart))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageStartingWith("the peer has pictures with flips, discrete schedules of 1000 steps");
    }
}
