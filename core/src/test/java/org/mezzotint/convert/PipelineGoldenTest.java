package org.mezzotint.convert;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Path;
import org.bytedeco.pytorch.Device;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.mezzotint.autoencoders.Autoencoder;
import org.mezzotint.autoencoders.PublishedAutoencoders;
import org.mezzotint.diffusion.Denoiser;
import org.mezzotint.diffusion.ScheduledDiffusion;
import org.mezzotint.golden.Golden;
import org.mezzotint.models.Model;
import org.mezzotint.models.layers.Tape;
import org.mezzotint.sample.Ddim;
import org.mezzotint.sample.Guidance;
import org.mezzotint.sample.Sampler;
import org.mezzotint.tensor.Conditioning;
import org.mezzotint.tensor.Precision;
import org.mezzotint.tensor.Scalars;
import org.mezzotint.tensor.Scope;
import org.mezzotint.tensor.Tensors;

/** A whole DiTPipeline of diffusers: scheduler, guidance, transformer and autoencoder. */
class PipelineGoldenTest {
    @ParameterizedTest
    @EnumSource(value = Precision.class, names = "BFLOAT16", mode = EnumSource.Mode.EXCLUDE)
    void picturesAreThoseOfDiffusers(Precision precision) {
        ScalarType type = precision.storage();
        Device cpu = new Device("cpu");
        Path folder = Golden.path("diffusers/pipeline-tiny");
        try (Golden golden = Golden.open("diffusers/pipeline-tiny");
                Scope scope = Scope.open();
                NoGradGuard noGrad = new NoGradGuard()) {
            Checkpoint pipeline = ModelFormat.DIFFUSERS.read(folder, Settings.none());
            ScheduledDiffusion diffusion = (ScheduledDiffusion) pipeline.diffusion();
            Path vae = DiffusersFolder.autoencoder(folder).orElseThrow();
            try (Model model = pipeline.build(false, precision, cpu);
                    Autoencoder autoencoder = PublishedAutoencoders.diffusers(vae, precision, cpu)) {
                Denoiser denoiser = new Denoiser(
                        Guidance.of(
                                        pipeline.sampling(),
                                        diffusion,
                                        model.config().channels())
                                .classifierFree(
                                        (x, t, cond) -> model.forward(x, t, cond, Tape.plain()),
                                        Guidance.nullClass(model.config().numClasses())),
                        Conditioning.classes(golden.get("in.labels")),
                        diffusion.schedule().chain("leading5"),
                        diffusion.parameterization(),
                        diffusion.variance(),
                        pipeline.sampling().clip());
                Tensor drawn = new Ddim(0)
                        .sample(
                                denoiser,
                                golden.get("in.noise", type),
                                (step, like) -> like.mul(Scalars.of(0)),
                                Sampler.Progress.NONE);
                Tensor latents = pipeline.latents().orElseThrow().latents(drawn);
                double tolerance = golden.tolerance(type);
                Golden.assertClose(
                        "latents",
                        Tensors.doubles(latents),
                        golden.expected("out.latents_into_decoder", type),
                        tolerance);
                Tensor pictures = autoencoder.decode(latents);
                Tensor unit = pictures.mul(Scalars.of(0.5))
                        .add(Scalars.of(0.5))
                        .clamp(Scalars.optional(0), Scalars.optional(1));
                Golden.assertClose("images", Tensors.doubles(unit), golden.expected("out.images", type), tolerance);
                byte[] bytes = Tensors.rgbBytes(pictures);
                double[] expected = golden.expected("out.images_u8", type);
                for (int i = 0; i < bytes.length; i++) {
                    assertThat(Math.abs((bytes[i] & 0xFF) - expected[i])).isLessThanOrEqualTo(1);
                }
            }
        }
    }
}
