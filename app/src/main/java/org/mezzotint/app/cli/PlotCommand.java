package org.mezzotint.app.cli;

import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/** Draws what formulas and recipes say. */
@Command(
        name = "plot",
        mixinStandardHelpOptions = true,
        description = "Draw what recipes say, before anything is trained.",
        synopsisSubcommandLabel = "WHAT",
        subcommands = PlotScheduleCommand.class)
final class PlotCommand implements Runnable {
    @Spec
    private CommandSpec spec;

    @Override
    public void run() {
        throw new ParameterException(spec.commandLine(), "say what to plot: schedule");
    }
}
