/**
 * The command-line tool: one class a command.
 *
 * <p>Start with {@link org.mezzotint.app.cli.Main}, {@link org.mezzotint.app.cli.TrainCommand} and
 * {@link org.mezzotint.app.cli.SampleCommand}.
 *
 * <pre>
 *   arguments ─ Main (picocli) ─ a command ─ core ─ one clear line and an exit code on failure
 * </pre>
 *
 * <p>Exit codes: 0 done, 1 a bug of ours (with a trace), 2 wrong usage, 3 unusable input, 4 training diverged, 130
 * interrupted. Nothing but this package prints, reads system properties or the environment, or ends the process. Commands
 * run on the main thread; Ctrl-C is handled by {@link org.mezzotint.app.cli.Interrupts}.
 */
package org.mezzotint.app.cli;
