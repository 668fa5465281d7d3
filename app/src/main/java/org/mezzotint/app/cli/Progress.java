package org.mezzotint.app.cli;

import java.util.Locale;
import me.tongfei.progressbar.ProgressBar;
import me.tongfei.progressbar.ProgressBarBuilder;
import me.tongfei.progressbar.ProgressBarStyle;

/** A progress bar on a terminal, now and then a line elsewhere. */
final class Progress implements AutoCloseable {
    private static final long LINE_NANOS = 10_000_000_000L;

    private final String task;
    private final long total;
    private final ProgressBar bar; // null when the output is no terminal
    private long lastLine = System.nanoTime();

    /** Begins at {@code initial} of {@code total}. */
    Progress(String task, String unit, long initial, long total) {
        this.task = task;
        this.total = total;
        bar = !Terminal.present()
                ? null
                : new ProgressBarBuilder()
                        .setTaskName(task)
                        .setInitialMax(total)
                        .startsFrom(initial, java.time.Duration.ZERO)
                        .setUnit(" " + unit, 1)
                        .setStyle(ProgressBarStyle.ASCII)
                        .setUpdateIntervalMillis(500)
                        .showSpeed()
                        .continuousUpdate()
                        .build();
    }

    /** Shows the state, with a few words behind it. */
    void show(long done, String words) {
        if (bar != null) {
            bar.stepTo(done);
            bar.setExtraMessage(words);
            return;
        }
        long now = System.nanoTime();
        if (done >= total || now - lastLine >= LINE_NANOS) {
            lastLine = now;
            System.out.println(
                    String.format(Locale.ROOT, "%s %d/%d (%.0f%%) %s", task, done, total, 100.0 * done / total, words));
        }
    }

    @Override
    public void close() {
        if (bar != null) {
            bar.close();
        }
    }
}
