package org.mezzotint.app.cli;

import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeSet;
import java.util.concurrent.Callable;
import org.bytedeco.pytorch.Device;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.Tensor;
import org.mezzotint.io.InputException;
import org.mezzotint.io.Safetensors;
import org.mezzotint.models.Model;
import org.mezzotint.models.layers.Tape;
import org.mezzotint.tensor.Conditioning;
import org.mezzotint.tensor.Precision;
import org.mezzotint.tensor.Scope;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** Evaluates a network once. */
@Command(
        name = "predict",
        mixinStandardHelpOptions = true,
        description = {
            "Evaluate a network once, to compare it with another framework.",
            "Reads x (N, C, H, W), what the network hears of the noise (N), called t, sigma, noise or logSnr, and its other inputs,"
                    + " such as class (N), from a safetensors file; writes y."
        })
final class PredictCommand implements Callable<Integer> {
    @Mixin
    private BundleOptions bundleOptions;

    @Option(names = "--in", paramLabel = "FILE", required = true, description = "inputs (.safetensors)")
    private Path in;

    @Option(names = "--out", paramLabel = "FILE", required = true, description = "result (.safetensors)")
    private Path out;

    @Option(
            names = "--precision",
            paramLabel = "NAME",
            defaultValue = "float32",
            description = "float32, float64 or bfloat16 (default: float32)")
    private String precision;

    @Mixin
    private MachineOptions machine;

    @Override
    public Integer call() {
        Device device = machine.open();
        Precision numbers = Precision.parse(precision);
        try (Scope scope = Scope.open();
                NoGradGuard noGrad = new NoGradGuard();
                ModelSource bundle = bundleOptions.open();
                Safetensors inputs = Safetensors.open(in);
                Model model = bundle.load(numbers, device)) {
            TreeSet<String> needed = new TreeSet<>(bundle.config().inputs());
            needed.add("x");
            String time =
                    switch (bundle.config().timeInput()) {
                        case TIMESTEP -> "t";
                        case SIGMA -> "sigma";
                        case NOISE -> "noise";
                        case LOG_SNR -> "logSnr";
                    };
            needed.add(time);
            TreeSet<String> given = new TreeSet<>(inputs.names());
            given.removeAll(bundle.config().optionalInputs());
            if (!given.equals(needed)) {
                throw new InputException(
                        in + " must hold exactly the inputs " + needed + ", it holds " + new TreeSet<>(inputs.names()));
            }
            Map<String, Tensor> others = new LinkedHashMap<>();
            needed.removeAll(List.of("x", time));
            bundle.config().optionalInputs().stream()
                    .filter(inputs.names()::contains)
                    .forEach(needed::add);
            for (String name : needed) {
                Tensor tensor = inputs.tensor(name);
                others.put(name, tensor.to(device, tensor.scalar_type()));
            }
            checkClasses(bundle, others);
            Tensor y;
            try {
                y = model.forward(
                        inputs.tensor("x").to(device, numbers.storage()),
                        inputs.tensor(time).to(device, inputs.type(time)),
                        Conditioning.of(others),
                        Tape.plain());
            } catch (IllegalArgumentException e) {
                throw new InputException(in + ": " + e.getMessage(), e);
            }
            Safetensors.write(out, Map.of("y", y.cpu()), Map.of("precision", numbers.toString()));
        }
        System.out.println("wrote " + out);
        return 0;
    }

    private void checkClasses(ModelSource bundle, Map<String, Tensor> others) {
        Tensor labels = others.get(Conditioning.CLASS);
        if (labels == null) {
            return;
        }
        if (org.mezzotint.tensor.Tensors.type(labels) != org.bytedeco.pytorch.global.torch.ScalarType.Long) {
            throw new InputException(in + ": class must be int64");
        }
        int rows = bundle.config().numClasses() + (bundle.config().nullClass() ? 1 : 0);
        for (long label : org.mezzotint.tensor.Tensors.longs(labels)) {
            if (label < 0 || label >= rows) {
                throw new InputException(in + ": class must be 0 to " + (rows - 1) + ", got " + label);
            }
        }
    }
}
