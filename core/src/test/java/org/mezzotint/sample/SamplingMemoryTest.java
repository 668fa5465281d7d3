package org.mezzotint.sample;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.bytedeco.javacpp.Pointer;
import org.bytedeco.pytorch.Device;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.mezzotint.diffusion.GuidanceSchedule;
import org.mezzotint.diffusion.SamplingConfig;
import org.mezzotint.diffusion.ScheduledDiffusion;
import org.mezzotint.diffusion.SigmaGrid;
import org.mezzotint.models.DiT;
import org.mezzotint.models.DiTConfig;
import org.mezzotint.models.layers.Init;
import org.mezzotint.models.layers.Tape;
import org.mezzotint.tensor.Precision;
import org.mezzotint.tensor.Scope;

class SamplingMemoryTest {
    @ParameterizedTest
    @EnumSource(SamplingConfig.Solver.class)
    void nativeObjectsDoNotPileUpOverManySteps(SamplingConfig.Solver solver) {
        DiTConfig config = new DiTConfig(
                8,
                8,
                3,
                4,
                16,
                1,
                2,
                2.0,
                4,
                true,
                true,
                DiTConfig.Conditioning.ADALN_ZERO,
                DiTConfig.Convention.paper());
        SamplingConfig sampling = new SamplingConfig(
                solver,
                solver.usualEta(),
                solver.countsInSigma() ? "200" : "",
                new SigmaGrid.OfSchedule(),
                1.5,
                new GuidanceSchedule.Constant(),
                SamplingConfig.GuidedChannels.ALL,
                false,
                false);
        List<Long> counts = new ArrayList<>();
        try (Scope scope = Scope.open();
                Init init = Init.random(0, Precision.FLOAT32, new Device("cpu"));
                DiT dit = new DiT(config, init)) {
            dit.pack(2);
            PictureSampler sampler = new PictureSampler(
                    (x, t, cond) -> dit.forward(x, t, cond, Tape.plain()),
                    Optional.empty(),
                    ScheduledDiffusion.dit(),
                    sampling,
                    new PictureSampler.Shape(3, 8, 8, 4, true, Precision.FLOAT32.storage(), dit.device()));
            sampler.draw(new long[] {1, 2}, new long[] {0, 3}, (done, total, x) -> counts.add(Pointer.totalCount()));
        }
        // 1,000 levels of the schedule; dpm-fast counts evaluations, dpm-adaptive takes what it needs
        assertThat(counts).hasSizeGreaterThan(solver == SamplingConfig.Solver.DPM_ADAPTIVE ? 4 : 66);
        // each step keeps its result in the enclosing scope, which frees it at the next step
        assertThat(counts.get(counts.size() - 1)).isLessThanOrEqualTo(counts.get(Math.min(10, counts.size() / 2)));
    }
}
