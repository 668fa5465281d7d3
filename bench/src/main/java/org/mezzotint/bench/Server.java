package org.mezzotint.bench;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.UncheckedIOException;
import java.io.Writer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.TimeUnit;

/**
 * A process that does steps on demand: it reads {@code train N}, {@code sample N}, {@code rss} and {@code quit}, a line each,
 * and answers each but the last with a line of JSON, after a first line that says that it is ready. Its standard error is
 * ours. It belongs to one thread.
 */
final class Server implements AutoCloseable {
    private static final ObjectMapper JSON = new ObjectMapper();
    private static final int QUIT_SECONDS = 10;

    private final String name;
    private final Process process;
    private final Writer in;
    private final BufferedReader out;
    private final long started = System.nanoTime();
    private boolean ready;

    /** Starts the process, and does not wait for it to be ready. */
    Server(String name, List<String> command, Path folder) {
        this.name = name;
        try {
            process = new ProcessBuilder(command)
                    .directory(folder.toFile())
                    .redirectError(ProcessBuilder.Redirect.INHERIT)
                    .start();
        } catch (IOException e) {
            throw new IllegalStateException(name + " does not start: " + e.getMessage(), e);
        }
        in = process.outputWriter(StandardCharsets.UTF_8);
        out = new BufferedReader(new InputStreamReader(process.getInputStream(), StandardCharsets.UTF_8));
    }

    /** Does steps; returns the mean time of one in seconds, as the process measured it. */
    double steps(String kind, int count) {
        JsonNode seconds = ask(kind + " " + count).path("seconds");
        if (seconds.size() != count) {
            throw new IllegalStateException(name + " did " + seconds.size() + " steps instead of " + count);
        }
        double sum = 0;
        for (JsonNode each : seconds) {
            sum += each.doubleValue();
        }
        return sum / count;
    }

    /** The most memory that the process had resident, in megabytes (VmHWM of /proc). */
    double peakResidentMegabytes() {
        JsonNode peak = ask("rss").path("peak_rss_mb");
        if (!peak.isNumber() || !(peak.doubleValue() > 0)) {
            throw new IllegalStateException(name + " cannot tell its peak memory");
        }
        return peak.doubleValue();
    }

    /** Seconds since this process was asked for. */
    double age() {
        return (System.nanoTime() - started) / 1e9;
    }

    private JsonNode ask(String command) {
        try {
            // Sent at once, also to a process that is still starting: it finds the line when it comes to read.
            in.write(command + "\n");
            in.flush();
        } catch (IOException e) {
            throw new IllegalStateException(name + " ended unexpectedly", e);
        }
        if (!ready && !answer().path("ready").asBoolean()) {
            throw new IllegalStateException(name + " did not say that it is ready");
        }
        ready = true;
        JsonNode answer = answer();
        if (answer.has("error")) {
            throw new IllegalStateException(
                    name + " refused '" + command + "': " + answer.get("error").asText());
        }
        return answer;
    }

    private JsonNode answer() {
        try {
            String line = out.readLine();
            if (line == null) {
                throw new IllegalStateException(name + " ended unexpectedly");
            }
            return JSON.readTree(line);
        } catch (IOException e) {
            throw new UncheckedIOException(name + " said something that is no JSON", e);
        }
    }

    /** Asks the process to end, waits for it, and ends it if it does not. */
    @Override
    public void close() {
        try (Writer writer = in;
                BufferedReader reader = out) {
            writer.write("quit\n");
            writer.flush();
            if (!process.waitFor(QUIT_SECONDS, TimeUnit.SECONDS)) {
                process.destroyForcibly().waitFor();
            }
        } catch (IOException e) {
            process.destroyForcibly(); // it is gone already, or does not listen
        } catch (InterruptedException e) {
            process.destroyForcibly();
            Thread.currentThread().interrupt();
        }
    }
}
