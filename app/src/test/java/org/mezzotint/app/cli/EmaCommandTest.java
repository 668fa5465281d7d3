package org.mezzotint.app.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Path;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.mezzotint.models.ModelBundle;
import org.mezzotint.train.PostHocEma;

class EmaCommandTest {
    @TempDir
    private static Path folder;

    private static Path run;

    @BeforeAll
    static void train() {
        run = folder.resolve("run");
        Path recipe = Cli.recipe(
                folder.resolve("recipe.yaml"),
                "ema: {type: constant, decay: 0.9}",
                "ema: {type: post-hoc, sigmaRels: [0.05, 0.1], snapshotImages: 16, storage: float32}");
        Cli.run("train", recipe, "--out", run).ok();
    }

    @Test
    void writesABundleThatCanBeSampled() {
        Path out = folder.resolve("rebuilt.safetensors");
        String line =
                Cli.run("ema", run, "--sigma-rel", "0.08", "--out", out).ok().out();
        assertThat(line)
                .startsWith(out + ": average of relative length 0.08 at 88 pictures, from 6 snapshots: ")
                .contains("raw weights of 88 pictures")
                .hasLineCount(1);
        try (ModelBundle bundle = ModelBundle.open(out)) {
            PostHocEma.Report report = bundle.section("postHocEma", PostHocEma.Report.class);
            assertThat(report.sigmaRel()).isEqualTo(0.08);
            assertThat(report.profileError()).isBetween(1e-6, 0.05);
            assertThat(bundle.hasEma()).isTrue();
        }
        Cli.run("sample", out, "--seeds", "0", "--out", folder.resolve("drawn")).ok();
    }

    @Test
    void infoListsTheSnapshotsOfARun() {
        assertThat(Cli.run("info", run).ok().out())
                .contains("6, from 16 to 88 pictures, of averages of relative lengths [0.05, 0.1]");
        assertThat(Cli.run("info", run, "--json").ok().out()).contains("{\"images\":48,\"sigmaRels\":[0.05,0.1]}");
    }

    @Test
    void anEarlierMomentUsesTheSnapshotsUpToIt() {
        assertThat(Cli.run("ema", run, "--sigma-rel", "0.1", "--at", "48", "--out", folder.resolve("48.safetensors"))
                        .ok()
                        .out())
                .contains("at 48 pictures, from 3 snapshots: 0.0 of its profile missed, rounding grown 1.0 times")
                .contains("raw weights of 88 pictures");
        assertThat(Cli.run("ema", run, "--sigma-rel", "0.1", "--at", "72", "--out", folder.resolve("no.safetensors"))
                        .err())
                .contains("has no snapshot at 72 pictures, only at 16, 32, 48, 64, 80, 88");
    }

    @Test
    void whatCannotBeDoneIsToldInOneLine() {
        Path out = folder.resolve("none.safetensors");
        Cli.run("ema", run, "--sigma-rel", "0.3", "--out", out)
                .fails(2, "--sigma-rel must be 0.001 to 0.2886, got 0.3");
        Cli.run("ema", run, "--sigma-rel", "NaN", "--out", out)
                .fails(2, "--sigma-rel must be 0.001 to 0.2886, got NaN");
        Cli.run("ema", run, "--sigma-rel", "wide", "--out", out).fails(2, "--sigma-rel", "wide");
        Cli.run("ema", run, "--out", out).fails(2, "--sigma-rel");
        Cli.run("ema", run, "--sigma-rel", "0.1", "--at", "50", "--out", out)
                .fails(3, "the run in " + run + " has no snapshot at 50 pictures, only at 16, 32, 48, 64, 80, 88");
        Cli.run("ema", run, "--sigma-rel", "0.1", "--at", "-3", "--out", out).fails(2, "--at");
        Cli.run("ema", folder.resolve("nowhere"), "--sigma-rel", "0.1", "--out", out)
                .fails(3, "no run found in " + folder.resolve("nowhere"));
        assertThat(out).doesNotExist();
        Path plain = folder.resolve("plain");
        Cli.run("train", Cli.TINY, "--duration", "8", "--out", plain).ok();
        Cli.run("ema", plain, "--sigma-rel", "0.1", "--out", out)
                .fails(
                        3,
                        "the run in " + plain
                                + " has no snapshots of its averages: its recipe needs training.ema of type"
                                + " post-hoc");
    }
}
