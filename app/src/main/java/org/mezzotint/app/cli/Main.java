package org.mezzotint.app.cli;

import java.io.PrintWriter;
import org.mezzotint.io.InputException;
import org.mezzotint.train.DivergedException;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/** Entry point of {@code ./mezzotint}. */
@Command(
        name = "mezzotint",
        description = "Diffusion transformers for the JVM: train, sample and measure.",
        mixinStandardHelpOptions = true,
        versionProvider = Version.class,
        synopsisSubcommandLabel = "COMMAND",
        subcommands = {
            QuickstartCommand.class,
            TrainCommand.class,
            SampleCommand.class,
            EditCommand.class,
            InterpolateCommand.class,
            AttentionCommand.class,
            StudyCommand.class,
            CompareCommand.class,
            PlotCommand.class,
            NeighboursCommand.class,
            LikelihoodCommand.class,
            ConvertCommand.class,
            EncodeCommand.class,
            EncodeTextCommand.class,
            EvaluateCommand.class,
            ExtractorCommand.class,
            StatsCommand.class,
            SweepCommand.class,
            EmaCommand.class,
            InfoCommand.class,
            PredictCommand.class,
            BenchCommand.class
        },
        footer = {
            "",
            "Exit codes: 0 done, 1 a bug of ours, 2 wrong usage, 3 unusable input,",
            "4 training diverged, 130 interrupted."
        })
public final class Main implements Runnable {
    private static final Logger LOG = LoggerFactory.getLogger(Main.class);
    private static final int BUG = 1;
    private static final int USAGE = 2;
    private static final int INPUT = 3;
    static final int DIVERGED = 4;

    @Spec
    private CommandSpec spec;

    @Override
    public void run() {
        throw new ParameterException(spec.commandLine(), "a command is needed, such as quickstart");
    }

    /**
     * Runs a command and ends the process with its exit code.
     *
     * @param arguments the command line
     */
    public static void main(String... arguments) {
        System.exit(execute(arguments));
    }

    /**
     * Runs a command.
     *
     * @param arguments the command line
     * @return the exit code
     */
    public static int execute(String... arguments) {
        CommandLine line = new CommandLine(new Main());
        line.setCaseInsensitiveEnumValuesAllowed(true);
        line.setParameterExceptionHandler((e, args) -> {
            report(e.getCommandLine(), oneLine(e.getMessage()), USAGE);
            return USAGE;
        });
        line.setExecutionExceptionHandler((e, at, parsed) -> failed(at, e));
        try {
            return line.execute(arguments);
        } catch (Error e) { // picocli handles exceptions only; an OutOfMemoryError is the user's to know
            return failed(line, e);
        }
    }

    private static int failed(CommandLine at, Throwable e) {
        int code = exitCode(e);
        report(at, message(e), code);
        if (code == BUG) {
            at.getErr().println("This is a bug of ours; please report it with the lines below.");
            for (StackTraceElement frame : e.getStackTrace()) {
                at.getErr().println("    at " + frame);
            }
        }
        LOG.debug("command failed", e);
        return code;
    }

    private static void report(CommandLine at, String message, int code) {
        PrintWriter err = at.getErr();
        err.println(CommandLine.Help.Ansi.AUTO.string("@|red error:|@ ") + message);
        if (code == USAGE) {
            err.println("Try '" + at.getCommandSpec().qualifiedName() + " --help'.");
        }
    }

    private static int exitCode(Throwable e) {
        if (e instanceof InputException || isOutOfMemory(e)) {
            return INPUT;
        }
        if (e instanceof DivergedException) {
            return DIVERGED;
        }
        return e instanceof IllegalArgumentException ? USAGE : BUG;
    }

    private static boolean isOutOfMemory(Throwable e) {
        if (e instanceof OutOfMemoryError
                || (e.getMessage() != null && e.getMessage().contains("can't allocate memory"))) {
            return true;
        }
        return e.getCause() != null && isOutOfMemory(e.getCause()); // of a loader's thread, say
    }

    /** libtorch puts a C++ trace behind the first line; that goes to the log only. */
    private static String message(Throwable e) {
        if (isOutOfMemory(e)) {
            return "out of memory: use a smaller batch (" + oneLine(firstLine(String.valueOf(e.getMessage()))) + ")";
        }
        String text = e.getMessage() == null ? e.getClass().getName() : e.getMessage();
        return oneLine(exitCode(e) == BUG ? e.getClass().getSimpleName() + ": " + firstLine(text) : text);
    }

    private static String firstLine(String text) {
        int trace = text.indexOf("Exception raised from ");
        return (trace < 0 ? text : text.substring(0, trace)).strip();
    }

    private static String oneLine(String text) {
        return text.strip().replaceAll("\\s*\\R\\s*", " ");
    }
}
