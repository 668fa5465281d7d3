package org.mezzotint.convert;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.mezzotint.diffusion.GuidanceSchedule;
import org.mezzotint.diffusion.SamplingConfig;
import org.mezzotint.golden.Golden;
import org.mezzotint.golden.GoldenDiffiT;
import org.mezzotint.io.CheckpointException;
import org.mezzotint.io.InputException;
import org.mezzotint.io.TorchFile;
import org.mezzotint.models.DiffiT;
import org.mezzotint.models.DiffiTConfig;
import org.mezzotint.models.layers.Init;
import org.mezzotint.models.layers.RelativePositions;
import org.mezzotint.tensor.Scope;
import org.mezzotint.tensor.Tensors;

/** Files of NVlabs/DiffiT, with the golden vectors' parameters. */
class DiffiTFilesTest {
    private static final Settings NULL_CLASS = new Settings(Map.of("nullClass", "true"));
    private static final String INDEX = "blocks.0.attn.relative_position_index";

    @TempDir
    private Path folder;

    /** The state dict in the order of the authors' code. */
    private static Map<String, Tensor> stateDict(Golden golden, DiffiTConfig config) {
        Map<String, Tensor> given = golden.group("param.");
        Map<String, Tensor> ordered = new LinkedHashMap<>();
        try (Init init = Init.shapesOnly();
                DiffiT diffit = config.create(init)) {
            diffit.state().keySet().forEach(name -> ordered.put(name, given.get(name)));
        }
        return ordered;
    }

    private static Checkpoint read(Map<String, Tensor> tensors) {
        return DiffiTFiles.read(new MapTensors("test", tensors), NULL_CLASS);
    }

    @ParameterizedTest
    @ValueSource(strings = {"forward", "gradients", "forward-with-cfg-power", "forward-with-cfg-linear"})
    void thereAndBackIsByteEqual(String name) throws IOException {
        try (Golden golden = Golden.open("diffit/" + name);
                Scope scope = Scope.open()) {
            DiffiTConfig config = GoldenDiffiT.config(golden.config().get("model"));
            Path theirs = folder.resolve("theirs.pt");
            TorchFile.write(theirs, new LinkedHashMap<>(stateDict(golden, config)));
            Checkpoint read = ModelFormat.DIFFIT.read(theirs, NULL_CLASS);
            assertThat(read.model()).isEqualTo(config);
            Path bundle = folder.resolve("model.safetensors");
            ModelFormat.MEZZOTINT.write(read, bundle, Settings.none());
            Checkpoint ours = ModelFormat.MEZZOTINT.read(bundle, Settings.none());
            assertThat(ours.model()).isEqualTo(config);
            Path back = folder.resolve("back.pt");
            ModelFormat.DIFFIT.write(ours, back, Settings.none());
            assertThat(Files.readAllBytes(back)).isEqualTo(Files.readAllBytes(theirs));
        }
    }

    @Test
    void bothSetsOfATrainingFileAreKept() {
        try (Golden golden = Golden.open("diffit/forward");
                Scope scope = Scope.open()) {
            DiffiTConfig config = GoldenDiffiT.config(golden.config().get("model"));
            Map<String, Tensor> weights = stateDict(golden, config);
            Map<String, Tensor> average = new LinkedHashMap<>(weights);
            average.put("pos_embed", weights.get("pos_embed").neg());
            Map<String, Object> both = new LinkedHashMap<>();
            both.put("model", new LinkedHashMap<>(weights));
            both.put("ema", average);
            Path file = folder.resolve("both.pt");
            TorchFile.write(file, both);
            Checkpoint read = ModelFormat.DIFFIT.read(file, NULL_CLASS);
            assertThat(SameBits.of(read.average().get("pos_embed"), average.get("pos_embed")))
                    .isTrue();
            assertThat(SameBits.of(read.weights().get("pos_embed"), weights.get("pos_embed")))
                    .isTrue();
        }
    }

    @Test
    void samplingIsThatOfTheAuthorsCommands() {
        try (Golden small = Golden.open("diffit/forward");
                Golden large = Golden.open("diffit/forward-with-cfg-linear");
                Scope scope = Scope.open()) {
            SamplingConfig at256 = read(small.group("param.")).sampling();
            assertThat(at256.guidance()).isEqualTo(4.4);
            assertThat(at256.guidanceSchedule()).isEqualTo(new GuidanceSchedule.PowerCosine(4));
            assertThat(at256.guidedChannels()).isEqualTo(SamplingConfig.GuidedChannels.FIRST_THREE);
            SamplingConfig at512 = read(large.group("param.")).sampling();
            assertThat(at512.guidance()).isEqualTo(1.49);
            assertThat(at512.guidanceSchedule()).isEqualTo(new GuidanceSchedule.Constant());
        }
    }

    /** pos_embed of 16 tokens fits 2 × 8 and 4 × 4; the index tells them apart. */
    @Test
    void theIndexSaysTheShapeOfTheGrid() {
        try (Golden golden = Golden.open("diffit/forward");
                Scope scope = Scope.open()) {
            Map<String, Tensor> tensors = new LinkedHashMap<>(golden.group("param."));
            for (String name : List.copyOf(tensors.keySet())) {
                if (name.endsWith(RelativePositions.INDEX)) {
                    tensors.put(name, Tensors.of(RelativePositions.index(2, 8)).view(16, 16));
                } else if (name.endsWith(RelativePositions.TABLE)) {
                    tensors.put(name, tensors.get(name).narrow(0, 0, 3 * 15));
                }
            }
            DiffiTConfig config = (DiffiTConfig) read(tensors).model();
            assertThat(config.height()).isEqualTo(4);
            assertThat(config.width()).isEqualTo(16);
            Checkpoint wide = read(tensors);
            assertThatThrownBy(() -> DiffiTFiles.write(wide))
                    .isInstanceOf(InputException.class)
                    .hasMessage("only square DiffiTs can be written so, got 4×16");
        }
    }

    @Test
    void indicesAreChecked() {
        try (Golden golden = Golden.open("diffit/forward");
                Scope scope = Scope.open()) {
            Map<String, Tensor> tensors = new LinkedHashMap<>(golden.group("param."));
            long[] index = Tensors.longs(tensors.get(INDEX));
            index[5]++;
            tensors.put(INDEX, Tensors.of(index).view(16, 16));
            assertThatThrownBy(() -> read(tensors))
                    .isInstanceOf(CheckpointException.class)
                    .hasMessage(INDEX + " holds the relative positions of no window of 16 tokens and 49 entries");
            tensors.put(INDEX, golden.get("param." + INDEX));
            String other = "blocks.1.attn.relative_position_index";
            tensors.put(other, Tensors.of(index).view(16, 16));
            assertThatThrownBy(() -> read(tensors))
                    .isInstanceOf(CheckpointException.class)
                    .hasMessage(other + " must hold the relative positions of 4×4 tokens as int64, got other numbers");
            tensors.put(other, golden.get("param." + other).to(ScalarType.Float));
            assertThatThrownBy(() -> read(tensors)).hasMessageContaining("as int64");
        }
    }

    @Test
    void whatIsNoDiffiTIsRefused() {
        try (Golden golden = Golden.open("diffit/forward");
                Scope scope = Scope.open()) {
            Map<String, Tensor> tensors = new LinkedHashMap<>(golden.group("param."));
            assertThatThrownBy(() -> DiffiTFiles.read(new MapTensors("test", tensors), Settings.none()))
                    .isInstanceOf(InputException.class)
                    .hasMessageContaining("--set nullClass=true or --set nullClass=false");
            Checkpoint read = read(tensors);
            Checkpoint elsewhere = new Checkpoint(
                    ((DiffiTConfig) read.model()).withTime(DiffiTConfig.Time.MLP),
                    read.diffusion(),
                    read.sampling(),
                    read.latents(),
                    read.classes(),
                    read.weights(),
                    read.average(),
                    read.training());
            assertThatThrownBy(() -> DiffiTFiles.write(elsewhere))
                    .isInstanceOf(InputException.class)
                    .hasMessage("only DiffiTs with time tmsa can be written so, got MLP");
            assertThatThrownBy(() -> DiTFiles.write(read)).hasMessage("only a DiT can be written so, got DiffiTConfig");
            tensors.remove("blocks.0.attn.qkv_temb.weight");
            assertThatThrownBy(() -> read(tensors))
                    .isInstanceOf(CheckpointException.class)
                    .hasMessage("the file is no DiffiT: it has no tensor blocks.0.attn.qkv_temb.weight");
        }
    }
}
