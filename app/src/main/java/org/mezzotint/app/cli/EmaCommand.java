package org.mezzotint.app.cli;

import java.nio.file.Path;
import java.util.Locale;
import java.util.OptionalLong;
import java.util.concurrent.Callable;
import org.mezzotint.train.PostHocEma;
import org.mezzotint.train.PowerProfile;
import org.mezzotint.train.RunDirectory;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** Puts an average of a run's weights together after the run. */
@Command(
        name = "ema",
        mixinStandardHelpOptions = true,
        description = {
            "Write a bundle with an average of the weights of another length than the run kept.",
            "The run's recipe must have training.ema of type post-hoc (arXiv:2312.02696)."
        })
final class EmaCommand implements Callable<Integer> {
    @Parameters(index = "0", paramLabel = "RUN", description = "the run's folder")
    private Path run;

    @Option(
            names = "--sigma-rel",
            paramLabel = "S",
            required = true,
            description =
                    "length of the average: standard deviation of its profile as a share of the run, such as 0.08")
    private double sigmaRel;

    @Option(
            names = "--at",
            paramLabel = "N",
            description =
                    "pictures seen at its end, such as 400000 or 1.5M: one of the run's snapshots (default: the last)")
    private String at;

    @Option(names = "--out", paramLabel = "FILE", required = true, description = "the bundle (.safetensors)")
    private Path out;

    @Override
    public Integer call() {
        if (!(sigmaRel >= 0.001 && sigmaRel <= PowerProfile.LARGEST_SIGMA_REL)) {
            throw new IllegalArgumentException("--sigma-rel must be 0.001 to 0.2886, got " + sigmaRel);
        }
        OptionalLong images = at == null ? OptionalLong.empty() : OptionalLong.of(Sizes.count("--at", at));
        PostHocEma.Report report = PostHocEma.rebuild(RunDirectory.find(run), sigmaRel, images, out);
        System.out.printf(
                Locale.ROOT,
                "%s: average of relative length %s at %d pictures, from %d snapshots: %.2g of its profile missed,"
                        + " rounding grown %.1f times; raw weights of %d pictures%n",
                out,
                report.sigmaRel(),
                report.images(),
                report.snapshots(),
                report.profileError(),
                report.amplification(),
                report.rawImages());
        return 0;
    }
}
