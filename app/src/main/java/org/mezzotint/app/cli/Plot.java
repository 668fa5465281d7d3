package org.mezzotint.app.cli;

import java.awt.Color;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import org.knowm.xchart.BitmapEncoder;
import org.knowm.xchart.BitmapEncoder.BitmapFormat;
import org.knowm.xchart.VectorGraphicsEncoder;
import org.knowm.xchart.VectorGraphicsEncoder.VectorGraphicsFormat;
import org.knowm.xchart.XYChart;
import org.knowm.xchart.XYChartBuilder;
import org.knowm.xchart.style.Styler.LegendPosition;
import org.knowm.xchart.style.markers.SeriesMarkers;
import org.mezzotint.io.AtomicFiles;

/** Lines over two axes, as a picture. */
final class Plot {
    private final XYChart chart;

    Plot(String xTitle, String yTitle) {
        chart = new XYChartBuilder()
                .width(1000)
                .height(600)
                .xAxisTitle(xTitle)
                .yAxisTitle(yTitle)
                .build();
        chart.getStyler().setLegendPosition(LegendPosition.OutsideE).setChartBackgroundColor(Color.WHITE);
    }

    /** Makes axes logarithmic. */
    Plot log(boolean x, boolean y) {
        chart.getStyler().setXAxisLogarithmic(x).setYAxisLogarithmic(y);
        return this;
    }

    /** Adds a line; {@code dots} marks its points. */
    void line(String name, List<? extends Number> xs, List<? extends Number> ys, boolean dots) {
        chart.addSeries(name, xs, ys).setMarker(dots ? SeriesMarkers.CIRCLE : SeriesMarkers.NONE);
    }

    boolean isEmpty() {
        return chart.getSeriesMap().isEmpty();
    }

    /** Writes a PNG, or an SVG where the name ends so. */
    void write(Path file) {
        boolean svg = file.toString().toLowerCase(Locale.ROOT).endsWith(".svg");
        AtomicFiles.write(file, out -> {
            if (svg) {
                VectorGraphicsEncoder.saveVectorGraphic(chart, out, VectorGraphicsFormat.SVG);
            } else {
                BitmapEncoder.saveBitmap(chart, out, BitmapFormat.PNG);
            }
        });
    }

    /** Refuses a file name that is neither. */
    static void check(String option, Path file) {
        String name = file.toString().toLowerCase(Locale.ROOT);
        if (!name.endsWith(".png") && !name.endsWith(".svg")) {
            throw new IllegalArgumentException(option + " must end in .png or .svg, got " + file);
        }
        PictureOutput.checkFile(file);
    }
}
