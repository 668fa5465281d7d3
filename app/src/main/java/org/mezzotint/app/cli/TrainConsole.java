package org.mezzotint.app.cli;

import java.io.PrintStream;
import java.nio.file.Path;
import java.util.Locale;
import org.mezzotint.train.TrainListener;
import org.mezzotint.train.TrainState;
import org.mezzotint.train.Validator;

/** Shows a run on the console. */
final class TrainConsole implements TrainListener {
    private final PrintStream out;
    private Progress progress;
    private double loss = Double.NaN;
    private double secondsPerImage = Double.NaN;

    TrainConsole(PrintStream out) {
        this.out = out;
    }

    @Override
    public void started(TrainState state, long durationImages) {
        progress = new Progress("train", "pictures", state.progress().images(), durationImages);
    }

    @Override
    public void stepped(StepReport report) {
        double perImage = report.seconds() * report.step() / report.images();
        secondsPerImage = smooth(secondsPerImage, perImage);
        loss = smooth(loss, report.loss());
        double left = (report.durationImages() - report.images()) * secondsPerImage;
        progress.show(
                report.images(),
                String.format(
                        Locale.ROOT,
                        "loss %.4f, %.0f pictures/s, %s left",
                        loss,
                        1 / secondsPerImage,
                        Sizes.duration(left)));
    }

    private static double smooth(double average, double value) {
        return Double.isNaN(average) ? value : average + 0.05 * (value - average);
    }

    @Override
    public void validated(long images, Validator.Result result) {
        line(String.format(Locale.ROOT, "validation loss %.5f at %d pictures", result.loss(), images));
    }

    @Override
    public void saved(Path checkpoint, long images) {
        line("saved " + checkpoint);
    }

    @Override
    public void note(String text) {
        line(text);
    }

    private void line(String text) {
        out.println((!Terminal.present() ? "" : "\r") + text);
    }

    @Override
    public void close() {
        if (progress != null) {
            progress.close();
        }
    }
}
