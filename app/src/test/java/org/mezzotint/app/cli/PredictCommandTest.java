package org.mezzotint.app.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.mezzotint.io.Safetensors;
import org.mezzotint.models.Model;
import org.mezzotint.models.ModelBundle;
import org.mezzotint.models.layers.Tape;
import org.mezzotint.tensor.Conditioning;
import org.mezzotint.tensor.Devices;
import org.mezzotint.tensor.Precision;
import org.mezzotint.tensor.Rng;
import org.mezzotint.tensor.Scope;
import org.mezzotint.tensor.Tensors;
import org.mezzotint.train.RunDirectory;

class PredictCommandTest {
    @TempDir
    private static Path shared;

    @TempDir
    private Path folder;

    private static Path run;

    @BeforeAll
    static void train() {
        run = shared.resolve("run");
        Cli.run("train", Cli.TINY, "--out", run).ok();
    }

    private Path in() {
        return folder.resolve("in.safetensors");
    }

    private Path out() {
        return folder.resolve("out.safetensors");
    }

    /** Three pictures at three levels; then some inputs removed or replaced. */
    private void writeInputs(int height, long[] classes, String... without) {
        try (Scope scope = Scope.open();
                Rng rng = new Rng(1)) {
            Map<String, Tensor> inputs = new LinkedHashMap<>();
            inputs.put("x", rng.normal(ScalarType.Float, 3, 3, height, 8));
            inputs.put("t", Tensors.of(new long[] {0, 50, 99}));
            inputs.put("class", Tensors.of(classes));
            for (String name : without) {
                inputs.remove(name);
            }
            Safetensors.write(in(), inputs, Map.of());
        }
    }

    private Cli predict(Object model) {
        return Cli.run("predict", model, "--in", in(), "--out", out());
    }

    @Test
    void theResultIsThatOfCallingTheModel() {
        writeInputs(8, new long[] {0, 3, 4});
        predict(run).ok();
        try (Scope scope = Scope.open();
                NoGradGuard noGrad = new NoGradGuard();
                ModelBundle bundle = ModelBundle.open(RunDirectory.find(run).newestBundle());
                Model model = bundle.load(ModelBundle.Weights.EMA, Precision.FLOAT32, Devices.cpu());
                Safetensors inputs = Safetensors.open(in());
                Safetensors result = Safetensors.open(out())) {
            Tensor y = model.forward(
                    inputs.tensor("x"), inputs.tensor("t"), Conditioning.classes(inputs.tensor("class")), Tape.plain());
            assertThat(result.names()).containsExactly("y");
            assertThat(result.shape("y")).containsExactly(3, 3, 8, 8);
            assertThat(Tensors.doubles(result.tensor("y"))).containsExactly(Tensors.doubles(y));
        }
    }

    @Test
    void missingInputsAreListed() {
        writeInputs(8, new long[] {0, 1, 2}, "t", "class");
        predict(run).fails(3, in().toString(), "[class, t, x]", "it holds [x]");
        assertThat(out()).doesNotExist();
    }

    @Test
    void aMissingInputFileIsNamed() {
        predict(run).fails(3, in().toString(), "no such file");
        assertThat(out()).doesNotExist();
    }

    @Test
    void pathsMustBeGiven() {
        Cli.run("predict", run).fails(2, "--in");
        Cli.run("predict", run, "--in", in()).fails(2, "--out");
    }

    @Test
    void aClassOutOfRangeIsRefused() {
        writeInputs(8, new long[] {0, 1, 5});
        predict(run).fails(3, "class must be 0 to 4, got 5");
        assertThat(out()).doesNotExist();
    }

    @Test
    void aPictureOfAnotherSizeIsRefused() {
        writeInputs(6, new long[] {0, 1, 2});
        predict(run).fails(3, in().toString(), "x must");
        assertThat(out()).doesNotExist();
    }

    @Test
    void anUnknownPrecisionIsWrongUsage() {
        writeInputs(8, new long[] {0, 1, 2});
        Cli.run("predict", run, "--in", in(), "--out", out(), "--precision", "half")
                .fails(2, "precision", "half");
    }
}
