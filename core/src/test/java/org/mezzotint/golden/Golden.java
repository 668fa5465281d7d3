package org.mezzotint.golden;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.core.json.JsonReadFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.json.JsonMapper;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.URISyntaxException;
import java.net.URL;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.mezzotint.io.Safetensors;
import org.mezzotint.tensor.Tensors;

/** One golden case: inputs, parameters and results of the original implementation. */
public final class Golden implements AutoCloseable {
    /** Python's JSON may hold NaN. */
    private static final JsonMapper JSON = JsonMapper.builder()
            .enable(JsonReadFeature.ALLOW_NON_NUMERIC_NUMBERS)
            .build();

    private final Safetensors file;
    private final JsonNode config;

    private Golden(Path path) {
        file = Safetensors.open(path);
        String json = file.metadata().getOrDefault("config", "{}");
        try {
            config = JSON.readTree(json);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    public static Golden open(String name) {
        return new Golden(path(name + ".safetensors"));
    }

    public static Path path(String resource) {
        URL url = Golden.class.getResource("/golden/" + resource);
        if (url == null) {
            throw new IllegalArgumentException("no golden resource " + resource);
        }
        try {
            return Path.of(url.toURI());
        } catch (URISyntaxException e) {
            throw new IllegalArgumentException(e);
        }
    }

    public JsonNode config() {
        return config;
    }

    public boolean has(String name) {
        return file.contains(name);
    }

    /** As stored. */
    public Tensor get(String name) {
        return file.tensor(name);
    }

    /** As a floating type. */
    public Tensor get(String name, ScalarType type) {
        return file.tensor(name).to(type);
    }

    public double[] doubles(String name) {
        return Tensors.doubles(file.tensor(name));
    }

    public long[] longs(String name) {
        return Tensors.longs(file.tensor(name));
    }

    public int[] ints(String name) {
        long[] values = longs(name);
        int[] ints = new int[values.length];
        for (int i = 0; i < ints.length; i++) {
            ints[i] = Math.toIntExact(values[i]);
        }
        return ints;
    }

    /** The unrounded form of a result for float64, where there is one. */
    public double[] expected(String name, ScalarType type) {
        String exact = name + ".f64";
        return doubles(type == ScalarType.Double && file.contains(exact) ? exact : name);
    }

    /** The tolerance that the case states for a float64 or float32 implementation. */
    public double tolerance(ScalarType type) {
        String words = file.metadata().get("tolerance");
        if (!words.startsWith("{")) { // "float64 1e-10; float32 1e-05 (…)"
            Matcher matcher = Pattern.compile((type == ScalarType.Double ? "float64" : "float32") + " ([0-9.e-]+)")
                    .matcher(words);
            assertThat(matcher.find()).as(words).isTrue();
            return Double.parseDouble(matcher.group(1));
        }
        try {
            JsonNode stated = new ObjectMapper().readTree(words);
            String text = stated.get(type == ScalarType.Double ? "float64_vs_out.f64" : "float32")
                    .asText();
            return Double.parseDouble(text.split(" ", -1)[0]);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** All tensors whose name starts with a prefix, without it. */
    public Map<String, Tensor> group(String prefix) {
        Map<String, Tensor> group = new LinkedHashMap<>();
        for (String name : file.names()) {
            if (name.startsWith(prefix)) {
                group.put(name.substring(prefix.length()), file.tensor(name));
            }
        }
        return group;
    }

    /** Requires |actual − expected| ≤ tolerance · max(1, |expected|) for each element. */
    public static void assertClose(String what, double[] actual, double[] expected, double tolerance) {
        assertThat(actual).as(what + ": number of elements").hasSameSizeAs(expected);
        double worst = 0;
        int at = 0;
        for (int i = 0; i < expected.length; i++) {
            double error = Math.abs(actual[i] - expected[i]) / Math.max(1, Math.abs(expected[i]));
            if (!(error <= worst)) {
                worst = error;
                at = i;
            }
        }
        assertThat(worst)
                .as(
                        "%s: worst error, at element %d: got %s, expected %s",
                        what, at, actual.length == 0 ? null : actual[at], expected.length == 0 ? null : expected[at])
                .isLessThanOrEqualTo(tolerance);
    }

    /** Requires |actual − expected| ≤ tolerance · max(1, max |expected|) for each element. */
    public static void assertCloseToLargest(String what, double[] actual, double[] expected, double tolerance) {
        double largest = Arrays.stream(expected).map(Math::abs).max().orElse(1);
        double scale = Math.max(1, largest);
        assertClose(
                what,
                Arrays.stream(actual).map(v -> v / scale).toArray(),
                Arrays.stream(expected).map(v -> v / scale).toArray(),
                tolerance);
    }

    @Override
    public void close() {
        file.close();
    }
}
