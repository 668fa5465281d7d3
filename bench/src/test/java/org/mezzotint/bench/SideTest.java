package org.mezzotint.bench;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.mezzotint.bench.Side.Attention;
import org.mezzotint.bench.Side.Setting;
import picocli.CommandLine;

class SideTest {
    private static final Path ROOT = Path.of("/repository");

    @Test
    void bothSidesOfHDiTGetSizeBatchThreadsAndCheckpointing() {
        Setting setting = new Setting("hdit", 512, 1, 2, true);
        assertThat(String.join(" ", Side.ours(ROOT, setting, "float32").command()))
                .endsWith("mezzotint bench --serve --model hdit --size 512 --precision float32"
                        + " --batch 1 --threads 2 --checkpointing");
        Side peer = Side.peer(ROOT, "python3", setting, "float32", Attention.MASKED_SDPA, false);
        assertThat(peer.name()).isEqualTo("peer float32 masked-sdpa eager");
        assertThat(String.join(" ", peer.command()))
                .endsWith("hdit_peer.py serve --size 512 --attention masked-sdpa"
                        + " --batch 1 --threads 2 --checkpointing");
    }

    @Test
    void thePeerOfDiTSeesLatentsOfAnEighthOfThePicture() {
        Side peer = Side.peer(
                ROOT, "python3", new Setting("dit-s/2", 256, 8, 2, false), "bfloat16", Attention.MASKED_SDPA, true);
        assertThat(peer.name()).isEqualTo("peer bfloat16 compiled");
        assertThat(String.join(" ", peer.command()))
                .endsWith("dit_peer.py serve --input 32 --batch 8 --threads 2 --bf16 --compile");
    }

    @Test
    void thePeersOfSimpleDiffusionGetModelAndSize() {
        Setting setting = new Setting("uvit", 128, 4, 2, true);
        Side peer = Side.peer(ROOT, "python3", setting, "float32", Attention.MASKED_SDPA, false);
        assertThat(peer.name()).isEqualTo("peer float32 eager");
        assertThat(String.join(" ", peer.command()))
                .endsWith("simple_peer.py serve --model uvit --size 128 --batch 4 --threads 2 --checkpointing");
    }

    @Test
    void diffitHasAPeerOfItsOwn() {
        Side peer = Side.peer(
                ROOT, "python3", new Setting("diffit", 256, 8, 2, false), "float32", Attention.MASKED_SDPA, false);
        assertThat(String.join(" ", peer.command())).endsWith("diffit_peer.py serve --input 32 --batch 8 --threads 2");
    }

    @Test
    void thePeerOfDiffiTHasOneSize() {
        Setting setting = new Setting("diffit-cifar10", 32, 4, 2, true);
        Side peer = Side.peer(ROOT, "python3", setting, "float32", Attention.MASKED_SDPA, false);
        assertThat(peer.name()).isEqualTo("peer float32 eager");
        assertThat(String.join(" ", peer.command()))
                .endsWith("diffit_image_peer.py serve --batch 4 --threads 2 --checkpointing");
        assertThatThrownBy(() -> new Setting("diffit-cifar10", 256, 4, 2, false))
                .hasMessage("--size must be 32 for diffit-cifar10, got 256");
    }

    @Test
    void flexAttentionIsCompiled() {
        Side peer = Side.peer(ROOT, "python3", new Setting("hdit", 256, 1, 2, false), "float32", Attention.FLEX, false);
        assertThat(peer.name()).isEqualTo("peer float32 flex compiled");
    }

    @Test
    void whatHasNoPeerIsRefused() {
        Setting pixels = new Setting("dit-pixels", 64, 1, 2, false);
        assertThatThrownBy(() -> Side.peer(ROOT, "python3", pixels, "float32", Attention.MASKED_SDPA, false))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("--model dit-pixels has no peer");
        Setting checkpointing = new Setting("dit-s/2", 256, 1, 2, true);
        assertThatThrownBy(() -> Side.peer(ROOT, "python3", checkpointing, "float32", Attention.MASKED_SDPA, false))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("--checkpointing has no peer for --model dit-s/2");
        assertThatThrownBy(() -> new Setting("hdit", 100, 1, 2, false))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("--size must be 64, doubled any number of times, got 100");
    }

    @Test
    void flexAttentionIsNotAskedToTrain() {
        StringWriter said = new StringWriter();
        CommandLine line = SideBySide.commandLine(new SideBySide()).setErr(new PrintWriter(said));
        int code = line.execute("--model", "hdit", "--peer-attention", "flex", "--workload", "memory");
        assertThat(code).isEqualTo(2);
        assertThat(said.toString())
                .isEqualToIgnoringNewLines(
                        "error: --peer-attention flex cannot train: --workload must be sample or sample-memory");
    }
}
