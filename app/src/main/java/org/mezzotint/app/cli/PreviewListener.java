package org.mezzotint.app.cli;

import java.nio.file.Path;
import java.util.Map;
import java.util.stream.LongStream;
import org.mezzotint.io.AtomicFiles;
import org.mezzotint.io.Png;
import org.mezzotint.sample.ImageGrid;
import org.mezzotint.train.RunDirectory;
import org.mezzotint.train.RunLog;
import org.mezzotint.train.TrainConfig;
import org.mezzotint.train.TrainListener;
import org.mezzotint.train.TrainState;

/** Draws a grid of the same seeds now and then during training, from the average of the weights. */
final class PreviewListener implements TrainListener {
    private final RunDirectory directory;
    private final RunLog log;
    private final Decoder decoder;

    PreviewListener(RunDirectory directory, RunLog log, Decoder decoder) {
        this.directory = directory;
        this.log = log;
        this.decoder = decoder;
    }

    @Override
    public void preview(TrainState state) {
        TrainConfig config = state.config();
        int count = config.previews().count();
        if (count == 0) {
            return;
        }
        Pictures pictures =
                new Pictures(state.average(), config.diffusion(), config.sampling(), decoder, Math.min(count, 64));
        long[] seeds = LongStream.range(0, count).toArray();
        long[] labels = Pictures.inTurn(new long[0], count, config.model().numClasses());
        ImageGrid.Sheet sheet = pictures.grid(pictures.list(seeds, labels));
        Map<String, String> text = pictures.settings();
        text.put("images", Long.toString(state.progress().images()));
        byte[] png = Png.encode(sheet.width(), sheet.height(), sheet.rgb(), text);
        Path file =
                directory.samples().resolve(RunDirectory.name(state.progress().images()) + ".png");
        AtomicFiles.write(file, out -> out.write(png));
        log.image("samples", state.progress().images(), png, sheet.width(), sheet.height());
    }
}
