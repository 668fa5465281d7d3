package org.mezzotint.app.cli;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.Callable;
import org.bytedeco.pytorch.Device;
import org.bytedeco.pytorch.global.torch;
import org.mezzotint.convert.AutoencoderFormat;
import org.mezzotint.convert.Checkpoint;
import org.mezzotint.convert.ModelFormat;
import org.mezzotint.convert.RunImport;
import org.mezzotint.convert.Settings;
import org.mezzotint.io.NearestName;
import org.mezzotint.tensor.Scope;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** Turns checkpoints of other code bases into ours, and back. */
@Command(
        name = "convert",
        mixinStandardHelpOptions = true,
        description = {
            "Turn a published checkpoint into a bundle, a bundle into the published form, or one form into another.",
            "The result is read back and compared. docs/checkpoints.md names the sources."
        })
final class ConvertCommand implements Callable<Integer> {
    private static final String RUN = "run";

    @Parameters(index = "0", paramLabel = "IN", description = "a file, or the folder of a diffusers pipeline")
    private Path in;

    @Parameters(index = "1", paramLabel = "OUT", description = "a file or folder that does not exist yet")
    private Path out;

    @Option(
            names = "--from",
            paramLabel = "FORM",
            required = true,
            description =
                    "mezzotint, dit, sit, diffit, diffusers or k-diffusion; of an autoencoder mezzotint, diffusers, sd-vae or"
                            + " taesd")
    private String from;

    @Option(
            names = "--to",
            paramLabel = "FORM",
            defaultValue = "mezzotint",
            description =
                    "the same, or run: a training checkpoint as a run that train --resume goes on with (default: mezzotint)")
    private String to;

    @Option(
            names = "--set",
            paramLabel = "NAME=VALUE",
            description = "what the file does not say, such as heads=16; may be repeated")
    private List<String> settings = new ArrayList<>();

    @Option(names = "--data", paramLabel = "PATH", description = "for --to run: the pictures or latents to go on with")
    private Path data;

    @Mixin
    private MachineOptions machine;

    @Override
    public Integer call() {
        Optional<AutoencoderFormat> autoencoder = autoencoder(from).filter(format -> format.isIn(in));
        if (autoencoder.isPresent()) {
            return autoencoder(autoencoder.get());
        }
        ModelFormat source = format("--from", from, false);
        boolean run = to.equals(RUN);
        ModelFormat target = run ? null : format("--to", to, true);
        if (run != (data != null)) {
            throw new IllegalArgumentException(
                    run ? "--to run needs --data" : "--data is for --to run only, got " + data);
        }
        if (source == target) {
            throw new IllegalArgumentException("--from and --to must differ, got " + from + " twice");
        }
        Settings told = told();
        Device device = machine.open();
        try (Scope scope = Scope.open()) {
            Path file = source == ModelFormat.MEZZOTINT ? BundleOptions.find(in) : in;
            Checkpoint checkpoint = run ? source.readTraining(file, told) : source.read(file, told);
            if (run) {
                RunImport.write(checkpoint, out, data, told, torch.get_num_threads(), device);
                System.out.println("wrote " + out + "; go on with: " + Terminal.command() + " train "
                        + out.resolve("config.yaml") + " --data " + data + " --out " + out + " --resume");
                return 0;
            }
            target.write(checkpoint, out, told);
            boolean both = !checkpoint.average().isEmpty() && target.holdsBoth();
            System.out.println("wrote " + out + ": " + checkpoint.weights().size() + " tensors"
                    + (both
                            ? " and their moving average"
                            : checkpoint.average().isEmpty()
                                    ? ""
                                    : " of the moving average (the raw weights are left out)")
                    + ", read back and compared");
        }
        return 0;
    }

    private static Optional<AutoencoderFormat> autoencoder(String label) {
        return Arrays.stream(AutoencoderFormat.values())
                .filter(format -> format.label().equals(label))
                .findFirst();
    }

    private int autoencoder(AutoencoderFormat source) {
        AutoencoderFormat target = autoencoder(to)
                .filter(format -> format != AutoencoderFormat.TAESD)
                .orElseThrow(() -> new IllegalArgumentException(
                        "--to must be mezzotint, diffusers or sd-vae for an autoencoder, got " + to));
        if (source == target) {
            throw new IllegalArgumentException("--from and --to must differ, got " + from + " twice");
        }
        if (data != null) {
            throw new IllegalArgumentException("--data is not for autoencoders, got " + data);
        }
        Settings told = told();
        try (Scope scope = Scope.open()) {
            AutoencoderFormat.Content content = source.read(in, told);
            told.finish();
            target.write(content, out);
            System.out.println("wrote " + out + ": an autoencoder of "
                    + content.weights().size() + " tensors, read back and compared");
        }
        return 0;
    }

    private static ModelFormat format(String option, String label, boolean runs) {
        List<String> labels = new ArrayList<>();
        for (ModelFormat format : ModelFormat.values()) {
            labels.add(format.label());
        }
        labels.add(AutoencoderFormat.SD_VAE.label());
        labels.add(AutoencoderFormat.TAESD.label());
        if (runs) {
            labels.add(RUN);
        }
        return ModelFormat.named(label)
                .orElseThrow(() -> new IllegalArgumentException(
                        option + ": unknown form " + label + ", " + NearestName.hint(label, labels)));
    }

    private Settings told() {
        return new Settings(Recipes.pairs(settings, "name=value, such as heads=16"));
    }
}
