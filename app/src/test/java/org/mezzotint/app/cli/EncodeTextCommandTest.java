package org.mezzotint.app.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.mezzotint.io.Png;
import org.mezzotint.tensor.Precision;
import org.mezzotint.text.CaptionEmbeddings;

class EncodeTextCommandTest {
    private static final Path TEXT = Path.of("../core/src/test/resources/golden/text");

    @TempDir
    private Path folder;

    private Path pictures;
    private Path encoder;
    private Path out;

    @BeforeEach
    void prepare() throws IOException {
        pictures = Files.createDirectories(folder.resolve("pictures"));
        encoder = Files.createDirectories(folder.resolve("t5"));
        out = folder.resolve("captions");
        for (int i = 0; i < 5; i++) {
            Png.write(pictures.resolve(i + ".png"), 2, 2, new byte[12], Map.of());
            Files.writeString(pictures.resolve(i + ".txt"), "a photo of a dog\n" + "the moon ".repeat(i) + "\n");
        }
        for (String name :
                new String[] {"t5-tiny/config.json", "t5-tiny/model.safetensors", "t5-tokenizer/tokenizer.json"}) {
            Files.copy(TEXT.resolve(name), encoder.resolve(Path.of(name).getFileName()));
        }
    }

    private Cli encode(Object... more) {
        Object[] words = new Object[more.length + 5];
        System.arraycopy(new Object[] {"encode-text", pictures, out, "--encoder", encoder}, 0, words, 0, 5);
        System.arraycopy(more, 0, words, 5, more.length);
        return Cli.run(words);
    }

    @Test
    void captionsAreEncodedOnce() {
        String said = encode("--shard", "2", "--precision", "float32", "--type", "float32")
                .ok()
                .out();
        assertThat(said)
                .contains("T5 of ", " parameters in float32", "wrote 9 captions of 5 pictures, ", "of 32 numbers")
                .doesNotContain("warning");
        try (CaptionEmbeddings read = CaptionEmbeddings.open(out)) {
            assertThat(read.set().plan().precision()).isEqualTo(Precision.FLOAT32);
            assertThat(read.captions(0)).isEqualTo(1); // its second line is blank
            assertThat(read.captions(4)).isEqualTo(2);
            assertThat(read.read(1, 0).values()).isEqualTo(read.read(0, 0).values());
        }
        encode().fails(3, out + " already holds encoded captions: choose another folder");
    }

    @Test
    void weightsMayStayInTheirFile() {
        encode("--mapped", "--precision", "bfloat16", "--tokenizer", TEXT.resolve("t5-tokenizer/spiece.model"))
                .ok();
        assertThat(out.resolve("captions.json")).isRegularFile();
    }

    @Test
    void captionsThatAreTooLongAreSaid() {
        String said = encode("--max-tokens", "9").ok().out();
        assertThat(said).contains("warning: the caption of " + pictures + "/", ".png is too long, cut away is: ");
        assertThat(said).containsPattern("warning: [1-9] captions had more than 9 tokens and lost their end");
    }

    @Test
    void whatCannotBeEncodedIsOneLine() throws IOException {
        encode("--max-tokens", "0").fails(2, "--max-tokens must be 1 to 4096, got 0");
        encode("--batch-tokens", "0").fails(2, "--batch-tokens and --shard must be at least 1");
        encode("--precision", "half").fails(2, "half");
        Files.delete(pictures.resolve("3.txt"));
        Files.writeString(pictures.resolve("1.txt"), "\n");
        encode().fails(3, "2 of 5 pictures have no caption, the first is " + pictures + "/1.png");
        String config = Files.readString(encoder.resolve("config.json"));
        Files.writeString(encoder.resolve("config.json"), config.replace("\"vocab_size\": 128", "\"vocab_size\": 100"));
        encode().fails(3, "does not fit the encoder: it has 128 ids, the encoder 100 embeddings");
        Files.delete(encoder.resolve("tokenizer.json"));
        encode().fails(3, encoder + " has no tokenizer");
        assertThat(out).doesNotExist();
    }
}
