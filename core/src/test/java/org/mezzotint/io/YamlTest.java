package org.mezzotint.io;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.annotation.JsonProperty;
import com.fasterxml.jackson.annotation.JsonSubTypes;
import com.fasterxml.jackson.annotation.JsonTypeInfo;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class YamlTest {
    enum Sigma {
        FIXED_SMALL,
        LEARNED_RANGE,
        @JsonProperty("v2")
        SECOND
    }

    @JsonTypeInfo(use = JsonTypeInfo.Id.NAME, property = "type")
    @JsonSubTypes({
        @JsonSubTypes.Type(value = Cosine.class, name = "cosine"),
        @JsonSubTypes.Type(value = Linear.class, name = "linear")
    })
    sealed interface Schedule permits Cosine, Linear {}

    record Cosine(double shift) implements Schedule {}

    record Linear(double from, double to) implements Schedule {}

    record Shift(double shift) {}

    record Train(int batchSize, long durationImages, double learningRate, boolean ema) {
        Train {
            if (batchSize < 1) {
                throw new IllegalArgumentException("batchSize must be at least 1, got " + batchSize);
            }
        }

        public boolean isLarge() {
            return batchSize > 100;
        }

        public int getSquared() {
            return batchSize * batchSize;
        }
    }

    record Run(
            String name,
            Sigma sigma,
            Train train,
            Schedule schedule,
            List<Integer> widths,
            Map<String, Double> weights) {}

    private static final String GOOD = """
            name: first run
            sigma: learned-range
            train:
              batchSize: 64
              durationImages: 5000000000
              learningRate: 1e-4
              ema: true
            schedule:
              type: linear
              from: 1.0E-4
              to: 2
            widths: [1, 2]
            weights:
              a: 0.5
            """;

    private static final Run RUN = new Run(
            "first run",
            Sigma.LEARNED_RANGE,
            new Train(64, 5_000_000_000L, 1e-4, true),
            new Linear(1e-4, 2),
            List.of(1, 2),
            Map.of("a", 0.5));

    @TempDir
    Path folder;

    @Test
    void readsEveryKindOfValue() throws IOException {
        Path file = Files.writeString(folder.resolve("run.yaml"), GOOD);
        assertThat(Yaml.read(file, Run.class)).isEqualTo(RUN);
    }

    @Test
    void writesBlocksInTheOrderOfTheComponents() {
        assertThat(Yaml.write(RUN)).isEqualTo("""
                        name: first run
                        sigma: learned-range
                        train:
                          batchSize: 64
                          durationImages: 5000000000
                          learningRate: 1.0E-4
                          ema: true
                        schedule:
                          type: linear
                          from: 1.0E-4
                          to: 2.0
                        widths:
                        - 1
                        - 2
                        weights:
                          a: 0.5
                        """);
        assertThat(Yaml.parse(Yaml.write(RUN), "s", Run.class)).isEqualTo(RUN);
    }

    @Test
    void writesJsonOnOneLineAndReadsItBack() {
        String json = Yaml.toJson(RUN);
        assertThat(json)
                .startsWith("{\"name\":\"first run\",\"sigma\":\"learned-range\",\"train\":{\"batchSize\":64,")
                .doesNotContain("\n");
        assertThat(Yaml.fromJson(json, "header", Run.class)).isEqualTo(RUN);
    }

    @Test
    void keepsTextsThatLookLikeSomethingElse() {
        record Text(String text) {}
        String[] nasty = {
            "true",
            "null",
            "~",
            "no",
            "1",
            "-1.5",
            "1e-4",
            "1.",
            ".5",
            "1_000",
            "0x10",
            "010",
            "",
            " a ",
            "- a",
            "a: b",
            "a #b",
            "*a",
            "&a",
            "!a",
            "%a",
            "@a",
            "`a",
            "'a'",
            "\"a\"",
            "[a]",
            "{a}",
            "two\nlines\n",
            "\ttab",
            "a\\b",
            "中😀",
            "a\r\nb",
            "---",
            "...",
            "?",
            "? a",
            "|",
            ">",
            "=",
            "<<",
            "2020-01-01",
            "12:30:45",
            ".inf",
            ".nan",
            "+1",
            "1E5",
            "\u0001",
            "a:",
            ":a",
            ",",
            "#",
            "1.0e5",
            "1__0",
            "0b1",
            "0o7",
            "a\n\n  b ",
            "\n"
        };
        for (String text : nasty) {
            assertThat(Yaml.parse(Yaml.write(new Text(text)), "yaml of " + text, Text.class)
                            .text())
                    .isEqualTo(text);
            assertThat(Yaml.fromJson(Yaml.toJson(new Text(text)), "s", Text.class)
                            .text())
                    .isEqualTo(text);
        }
    }

    @Test
    void quotesDecideWhetherSomethingIsANumberAlsoAfterEmoji() {
        record Two(String a, double b) {}
        assertThat(Yaml.parse("# 😀😀\na: '1e-4'\nb: 1e-4", "s", Two.class)).isEqualTo(new Two("1e-4", 1e-4));
        fails("# 😀😀\na: 1e-4\nb: 1", Two.class, "a: must be a text (quote it), got 1.0E-4");
    }

    @Test
    void writesAndReadsEveryDouble() {
        record Real(double x) {}
        for (double x : new double[] {0, -0.0, 1, 1e10, 1e-10, 1e300, Double.MIN_VALUE, Double.MAX_VALUE, -1.0 / 3}) {
            assertThat(Yaml.parse(Yaml.write(new Real(x)), "s", Real.class).x()).isEqualTo(x);
        }
        for (String x : new String[] {"1e-4", "1E-4", "+1e-4", "1.e-4", "1.0e-4", "0.0001", "100e-6"}) {
            assertThat(Yaml.parse("x: " + x, "s", Real.class).x()).as(x).isEqualTo(1e-4);
        }
        fails("x: \"1e-4\"", Real.class, "x: must be a number, got \"1e-4\"");
        fails("x: '12'", Real.class, "x: must be a number, got \"12\"");
        fails("x: 1e999", Real.class, "x: a number must be finite and in plain decimals, got 1e999");
        fails("x: .nan", Real.class, "x: a number must be finite and in plain decimals, got .nan");
    }

    @Test
    void namesTheNearestKeyForAnUnknownOne() {
        change("batchSize: 64", "batchsize: 64", "train.batchsize: unknown key, did you mean \"batchSize\"?");
        change("batchSize: 64", "batch_size: 64", "train.batch_size: unknown key, did you mean \"batchSize\"?");
        change(
                "ema: true",
                "somethingElse: 1",
                "train.somethingElse: unknown key, valid are batchSize, durationImages, learningRate, ema");
        change("  from:", "  form:", "schedule.form: unknown key, did you mean \"from\"?");
        change(
                "name: first run",
                "name: first run\nlarge: true",
                "large: unknown key, valid are name, sigma, train, schedule, widths, weights");
        change(
                "ema: true",
                "ema: true\n  squared: 1",
                "train.squared: unknown key, valid are batchSize, durationImages, learningRate, ema");
    }

    @Test
    void namesAMissingKey() {
        change("  batchSize: 64\n", "", "train.batchSize: the key is missing");
        change("  ema: true\n", "", "train.ema: the key is missing");
        change("  to: 2\n", "", "schedule.to: the key is missing");
        change("name: first run\n", "", "name: the key is missing");
        change("  type: linear\n", "", "schedule.type: the key is missing, valid are cosine, linear");
    }

    @Test
    void refusesNull() {
        change("batchSize: 64", "batchSize: null", "train.batchSize: a value is missing (null)");
        change("batchSize: 64", "batchSize:", "train.batchSize: a value is missing (null)");
        change("widths: [1, 2]", "widths: [1, ~]", "widths.1: a value is missing (null)");
        change("name: first run", "name:", "name: a value is missing (null)");
        assertThatThrownBy(() -> Yaml.fromJson("{\"shift\": null}", "h", Shift.class))
                .hasMessage("h: shift: a value is missing (null)");
    }

    @Test
    void convertsNothing() {
        change("batchSize: 64", "batchSize: \"64\"", "train.batchSize: must be a whole number, got \"64\"");
        change("batchSize: 64", "batchSize: 64.0", "train.batchSize: must be a whole number, got 64.0");
        change("batchSize: 64", "batchSize: 1e2", "train.batchSize: must be a whole number, got 100.0");
        change("batchSize: 64", "batchSize: true", "train.batchSize: must be a whole number, got true");
        change("batchSize: 64", "batchSize: ''", "train.batchSize: must be a whole number, got \"\"");
        change("batchSize: 64", "batchSize: [64]", "train.batchSize: must be a whole number, got [64]");
        change("ema: true", "ema: yes", "train.ema: must be true or false, got \"yes\"");
        change("ema: true", "ema: 1", "train.ema: must be true or false, got 1");
        change("ema: true", "ema: 'true'", "train.ema: must be true or false, got \"true\"");
        change("name: first run", "name: 12", "name: must be a text (quote it), got 12");
        change("name: first run", "name: 1e-4", "name: must be a text (quote it), got 1.0E-4");
        change("name: first run", "name: true", "name: must be a text (quote it), got true");
        change("name: first run", "name: [a]", "name: must be a text (quote it), got [\"a\"]");
        change("widths: [1, 2]", "widths: 1", "widths: must be a list, got 1");
        change("widths: [1, 2]", "widths: ''", "widths: must be a list, got \"\"");
        change("widths: [1, 2]", "widths: [1, 2.5]", "widths.1: must be a whole number, got 2.5");
        change("weights:\n  a: 0.5", "weights: 3", "weights: must be keys with values, got 3");
        change("weights:\n  a: 0.5", "weights: {a: x}", "weights.a: must be a number, got \"x\"");
        String train = GOOD.substring(GOOD.indexOf("train:"), GOOD.indexOf("schedule:"));
        String object = "train: must be an object with the keys batchSize, durationImages, learningRate, ema, got ";
        change(train, "train: 3\n", object + "3");
        change(train, "train: ''\n", object + "\"\"");
        change(train, "train: []\n", object + "[]");
    }

    @Test
    void refusesNumbersOutOfRange() {
        change(
                "batchSize: 64",
                "batchSize: 3000000000",
                "train.batchSize: must be a whole number of 32 bits, got 3000000000");
        change(
                "durationImages: 5000000000",
                "durationImages: 10000000000000000000",
                "train.durationImages: must be a whole number of 64 bits, got 10000000000000000000");
        change(
                "batchSize: 64",
                "batchSize: 010",
                "train.batchSize: whole numbers must be plain decimals without leading" + " zeros, got 010");
    }

    @Test
    void refusesAKeyThatIsThereTwice() {
        change("ema: true", "ema: true\n  ema: true", "train.ema: the key is there twice");
        assertThatThrownBy(() -> Yaml.fromJson("{\"shift\": 1, \"shift\": 1}", "h", Shift.class))
                .hasMessage("h: shift: the key is there twice");
    }

    @Test
    void refusesASecondDocumentAndTrailingText() {
        fails("shift: 1\n---\nshift: 2\n", Shift.class, "there must be one document, a second one starts at line 3");
        assertThatThrownBy(() -> Yaml.fromJson("{\"shift\": 1} {}", "h", Shift.class))
                .hasMessage("h: there must be one document, a second one starts at line 1");
        fails("", Shift.class, "there is nothing in it");
        fails("# only a comment\n", Shift.class, "there is nothing in it");
    }

    @Test
    void refusesTagsAndAliases() {
        fails("shift: &a 1\nother: *a\n", Shift.class, "other: aliases are not supported, write the value out, got *a");
        fails("shift: !!float 1\n", Shift.class, "shift: tags are not supported", true);
        fails("!java.net.URL [x]\n", Shift.class, "tags are not supported", true);
    }

    @Test
    void listsTheVariantsForAnUnknownType() {
        change(
                "type: linear",
                "type: liner",
                "schedule.type: unknown type \"liner\", valid are cosine, linear, did you mean \"linear\"?");
        change("type: linear", "type: zzz", "schedule.type: unknown type \"zzz\", valid are cosine, linear");
        assertThat(Yaml.parse("type: cosine\nshift: 3", "s", Schedule.class)).isEqualTo(new Cosine(3));
        assertThat(Yaml.write(new Cosine(3))).isEqualTo("type: cosine\nshift: 3.0\n");
    }

    @Test
    void listsTheConstantsForAnUnknownOne() {
        String valid = "sigma: must be one of fixed-small, learned-range, v2, got ";
        change(
                "sigma: learned-range",
                "sigma: learned_range",
                valid + "\"learned_range\", did you mean \"learned-range\"?");
        change(
                "sigma: learned-range",
                "sigma: LEARNED_RANGE",
                valid + "\"LEARNED_RANGE\", did you mean \"learned-range\"?");
        change("sigma: learned-range", "sigma: zzzzzzzz", valid + "\"zzzzzzzz\"");
        change("sigma: learned-range", "sigma: 1", valid + "1");
        change("sigma: learned-range", "sigma: ''", valid + "\"\"");
        assertThat(Yaml.parse(GOOD.replace("learned-range", "v2"), "s", Run.class)
                        .sigma())
                .isEqualTo(Sigma.SECOND);
    }

    @Test
    void passesOnWhatARecordSaysAboutItsValues() {
        change("batchSize: 64", "batchSize: 0", "train: batchSize must be at least 1, got 0");
        fails(
                "batchSize: -2\ndurationImages: 1\nlearningRate: 1\nema: false",
                Train.class,
                "batchSize must be at least 1, got -2");
    }

    @Test
    void overridesValuesByTheirPath() {
        Map<String, String> overrides = new LinkedHashMap<>();
        overrides.put("train.batchSize", "8");
        overrides.put("train.learningRate", "3e-4");
        overrides.put("name", "other");
        overrides.put("widths.1", "5");
        overrides.put("schedule", "{type: cosine, shift: 1}");
        overrides.put("schedule.shift", "2");
        Run run = Yaml.parse(GOOD, "s", overrides, Run.class);
        assertThat(run.train().batchSize()).isEqualTo(8);
        assertThat(run.train().learningRate()).isEqualTo(3e-4);
        assertThat(run.name()).isEqualTo("other");
        assertThat(run.widths()).containsExactly(1, 5);
        assertThat(run.schedule()).isEqualTo(new Cosine(2));
    }

    @Test
    void namesTheNearestKeyForAnUnknownOverride() {
        override(
                "train.batchSise",
                "1",
                "run.yaml: train.batchSise: no such key to override, did you mean \"batchSize\"?");
        override("trian.batchSize", "1", "run.yaml: trian: no such key to override, did you mean \"train\"?");
        override("name.x", "1", "run.yaml: name.x: no such key to override, the value there has no keys");
        override("widths.2", "1", "run.yaml: widths.2: no such key to override, valid are 0, 1");
        override("", "1", "run.yaml: : no such key to override, valid are name, sigma,", true);
        override("train.batchSize", "", "override train.batchSize=: there is nothing in it");
        override("train.batchSize", "x", "run.yaml: train.batchSize: must be a whole number, got \"x\"");
        override("train.batchSize", "[1", "override train.batchSize=[1: line 1: not valid: ", true);
    }

    @Test
    void saysWhereTheSyntaxIsWrong() {
        fails("shift: 1\n  other: [\n", Shift.class, "line 2: not valid: ", true);
        assertThatThrownBy(() -> Yaml.fromJson("{\"shift\": 1,}", "h", Shift.class))
                .isInstanceOf(InputException.class)
                .hasMessageStartingWith("h: line 1: not valid: ");
    }

    @Test
    void boundsDepthAndSize() throws IOException {
        fails("[".repeat(100_000), Shift.class, "not valid", true, true);
        assertThatThrownBy(() -> Yaml.fromJson("[".repeat(100_000), "h", Shift.class))
                .isInstanceOf(InputException.class)
                .hasMessageContaining("nesting depth");
        Path file = folder.resolve("big.yaml");
        Files.writeString(file, "#".repeat((1 << 22) + 1));
        assertThatThrownBy(() -> Yaml.read(file, Shift.class))
                .hasMessage(file + ": a config must have at most 4194304 bytes, got 4194305");
    }

    @Test
    void saysThatAFileIsMissingOrNotText() throws IOException {
        assertThatThrownBy(() -> Yaml.read(folder.resolve("no"), Run.class))
                .hasMessage("cannot read " + folder.resolve("no") + ": no such file or folder");
        Path file = Files.write(folder.resolve("x"), new byte[] {(byte) 0xFF});
        assertThatThrownBy(() -> Yaml.read(file, Run.class))
                .hasMessage("cannot read " + file + ": it is not UTF-8 text");
    }

    private static void change(String from, String to, String message, boolean... startsWith) {
        assertThat(GOOD).contains(from);
        fails(GOOD.replace(from, to), Run.class, message, startsWith);
    }

    private static void override(String path, String value, String message, boolean... startsWith) {
        var failure = assertThatThrownBy(() -> Yaml.parse(GOOD, "run.yaml", Map.of(path, value), Run.class))
                .isInstanceOf(InputException.class);
        if (startsWith.length > 0) {
            failure.hasMessageStartingWith(message);
        } else {
            failure.hasMessage(message);
        }
    }

    /** With one flag the message has to start like this, with two to contain it, with none to equal it. */
    private static void fails(String text, Class<?> type, String message, boolean... loose) {
        var failure =
                assertThatThrownBy(() -> Yaml.parse(text, "run.yaml", type)).isExactlyInstanceOf(InputException.class);
        failure.satisfies(
                e -> assertThat(e.getMessage()).startsWith("run.yaml: ").doesNotContain("\n"));
        if (loose.length == 0) {
            failure.hasMessage("run.yaml: " + message);
        } else if (loose.length == 1) {
            failure.hasMessageStartingWith("run.yaml: " + message);
        } else {
            failure.hasMessageContaining(message);
        }
    }
}
