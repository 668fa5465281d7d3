package org.mezzotint.examples;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.bytedeco.pytorch.Device;
import org.bytedeco.pytorch.Tensor;
import org.mezzotint.io.Png;
import org.mezzotint.models.Model;
import org.mezzotint.models.ModelBundle;
import org.mezzotint.sample.PictureSampler;
import org.mezzotint.tensor.Devices;
import org.mezzotint.tensor.Precision;
import org.mezzotint.tensor.Scope;
import org.mezzotint.tensor.Tensors;
import org.mezzotint.train.RunDirectory;

/**
 * What a service does with a model: load it once, pack its weights for the CPU, answer requests on several threads with
 * one scope a request, and free everything at the end. Draws eight pictures on four threads into {@code FOLDER/served}.
 *
 * <pre>
 *   examples/run EmbedInService runs/example
 * </pre>
 */
public final class EmbedInService implements AutoCloseable {
    private final Model model;
    private final PictureSampler sampler;

    EmbedInService(Path file) {
        try (ModelBundle bundle = ModelBundle.open(file);
                Device cpu = Devices.cpu()) {
            model = bundle.load(ModelBundle.Weights.EMA, Precision.FLOAT32, cpu);
            model.pack(2); // one picture a request, twice with guidance
            sampler = SampleBundle.sampler(bundle, model);
        } // the model outlives the bundle it was read from
    }

    /** One request; safe on any thread, because threads only read the model. */
    byte[] png(long seed, long label) {
        try (Scope request = Scope.open()) {
            Tensor picture =
                    sampler.draw(new long[] {seed}, new long[] {label}, PictureSampler.Watch.NONE); // (1, 3, H, W)
            PictureSampler.Shape shape = sampler.shape();
            return Png.encode(shape.width(), shape.height(), Tensors.rgbBytes(picture), Map.of("seed", "" + seed));
        } // what the request made is freed here, whatever thread it ran on
    }

    /** To be called when no request runs any more. */
    @Override
    public void close() {
        model.close();
    }

    /**
     * Serves eight requests.
     *
     * @param arguments the run's folder
     */
    public static void main(String[] arguments) throws IOException, InterruptedException, ExecutionException {
        Path run = Path.of(arguments[0]);
        Path served = Files.createDirectories(run.resolve("served"));
        ExecutorService threads = Executors.newFixedThreadPool(4);
        try (EmbedInService service = new EmbedInService(RunDirectory.find(run).newestBundle())) {
            List<Future<byte[]>> answers = new ArrayList<>();
            for (int i = 0; i < 8; i++) {
                long seed = i;
                answers.add(threads.submit(() -> service.png(seed, seed)));
            }
            for (int i = 0; i < answers.size(); i++) {
                Files.write(served.resolve(i + ".png"), answers.get(i).get());
            }
            System.out.println("wrote " + answers.size() + " pictures to " + served);
        } finally {
            threads.shutdown();
        }
    }
}
