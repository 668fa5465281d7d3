package org.mezzotint.text;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.text.Normalizer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.mezzotint.golden.Golden;
import org.mezzotint.io.InputException;

class T5TokenizerTest {
    private static final Path FOLDER =
            Golden.path("text/t5-tokenizer/tokenizer.json").getParent();

    @TempDir
    private Path folder;

    @Test
    void aFolderGivesItsJsonElseItsSentencePieceModelWithTheStatedExtraIds() throws IOException {
        assertThat(T5Tokenizer.open(FOLDER).size()).isEqualTo(128);
        assertThatThrownBy(() -> T5Tokenizer.open(folder))
                .isInstanceOf(InputException.class)
                .hasMessage(folder + " has no tokenizer: neither tokenizer.json nor spiece.model");
        Files.copy(FOLDER.resolve("spiece.model"), folder.resolve("spiece.model"));
        assertThat(T5Tokenizer.open(folder).size()).isEqualTo(120 + 100);
        Files.writeString(folder.resolve("tokenizer_config.json"), "{\"extra_ids\": 5}");
        T5Tokenizer five = T5Tokenizer.open(folder);
        assertThat(five.size()).isEqualTo(125);
        assertThat(five.encode("<extra_id_4>")).containsExactly(120, 1);
        Files.writeString(folder.resolve("tokenizer_config.json"), "{\"extra_ids\": -5}");
        assertThatThrownBy(() -> T5Tokenizer.open(folder)).hasMessageEndingWith("extra_ids must be 0 to 1000, got -5");
        Files.copy(FOLDER.resolve("tokenizer.json"), folder.resolve("tokenizer.json"));
        assertThat(T5Tokenizer.open(folder).size()).isEqualTo(128);
        assertThatThrownBy(() -> T5Tokenizer.open(folder.resolve("none")))
                .hasMessageStartingWith("tokenizer not found: ");
    }

    @Test
    void aTextThatIsTooLongSaysWhatWasCut() {
        T5Tokenizer tokenizer = T5Tokenizer.open(FOLDER);
        String text = "the horse in the snow and the moon";
        int[] all = tokenizer.encode(text);
        for (int most = 1; most <= all.length; most++) {
            T5Tokenizer.Tokens tokens = tokenizer.encode(text, most);
            assertThat(tokens.ids()).hasSize(most).endsWith(1);
            assertThat(Arrays.copyOf(tokens.ids(), most - 1)).isEqualTo(Arrays.copyOf(all, most - 1));
            assertThat(tokens.cut()).isEqualTo(most < all.length);
            String kept = tokenizer.decode(tokens.ids());
            assertThat((kept + tokens.lost()).replace(" ", "")).isEqualTo(text.replace(" ", ""));
        }
        assertThatIllegalArgumentException().isThrownBy(() -> tokenizer.encode(text, 0));
    }

    @Test
    void halfACharacterIsTheReplacementCharacter() {
        T5Tokenizer tokenizer = T5Tokenizer.open(FOLDER);
        assertThat(tokenizer.encode("a \uD83E b")).isEqualTo(tokenizer.encode("a \uFFFD b"));
    }

    @Test
    void aTokenizerWithMoreIdsThanEmbeddingsDoesNotFit() {
        T5Tokenizer tokenizer = T5Tokenizer.open(FOLDER);
        T5Config fits = new T5Config(128, 32, 8, 64, 2, 4, 32, 128, 1e-6, T5Config.FeedForward.GATED_GELU);
        tokenizer.requireFits(fits);
        T5Config small = new T5Config(127, 32, 8, 64, 2, 4, 32, 128, 1e-6, T5Config.FeedForward.GATED_GELU);
        assertThatThrownBy(() -> tokenizer.requireFits(small))
                .isInstanceOf(InputException.class)
                .hasMessageEndingWith("does not fit the encoder: it has 128 ids, the encoder 127 embeddings");
        assertThatIllegalArgumentException().isThrownBy(() -> tokenizer.decode(128));
    }

    @Test
    void identitiesTellTokenizersApart() throws IOException {
        String identity = T5Tokenizer.open(FOLDER).identity();
        assertThat(identity)
                .matches("[0-9a-f]{64}")
                .isEqualTo(T5Tokenizer.open(FOLDER).identity());
        String json = Files.readString(FOLDER.resolve("tokenizer.json"));
        assertThat(json).contains("-2.61674");
        Files.writeString(folder.resolve("tokenizer.json"), json.replace("-2.61674", "-2.61675"));
        assertThat(T5Tokenizer.open(folder).identity()).isNotEqualTo(identity);
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "\"Unigram\"|\"BPE\"|model.type must be Unigram, got \"BPE\"",
                "\"Precompiled\"|\"Lowercase\"|normalizer must be Precompiled",
                "\"WhitespaceSplit\"|\"Digits\"|pre_tokenizer must",
                "\"prepend_scheme\": \"always\"|\"prepend_scheme\": \"never\"|pre_tokenizer must be Metaspace with a prefix",
                "\"TemplateProcessing\"|\"BertProcessing\"|post_processor must put </s> behind a text",
                "\"unk_id\": 2|\"unk_id\": 200|model.unk_id must be a number from 0 to",
                "\"byte_fallback\": false|\"byte_fallback\": true|model.byte_fallback must be false",
                "\"rstrip\": false|\"rstrip\": true|added_tokens must each have a content and rstrip false",
                "\"content\": \"<pad>\"|\"content\": \"<pod>\"|added_tokens must hold <pad>"
            })
    void aJsonOfAnotherTokenizerIsRefusedByName(String old, String changed, String message) throws IOException {
        String json = Files.readString(FOLDER.resolve("tokenizer.json"));
        assertThat(json).contains(old);
        Path file = folder.resolve("tokenizer.json");
        Files.writeString(file, json.replaceFirst(java.util.regex.Pattern.quote(old), changed));
        assertThatThrownBy(() -> T5Tokenizer.open(file))
                .isInstanceOf(InputException.class)
                .hasMessageStartingWith(file + ": ")
                .hasMessageContaining(message);
    }

    @Test
    void damagedModelsAreRefusedAndNeverAnythingElse() throws IOException {
        byte[] model = Files.readAllBytes(FOLDER.resolve("spiece.model"));
        Path file = folder.resolve("spiece.model");
        SplittableRandom random = new SplittableRandom(1);
        for (int i = 0; i < 80; i++) {
            byte[] damaged = model.clone();
            if (i % 2 == 0) {
                damaged = Arrays.copyOf(model, random.nextInt(model.length));
            } else {
                for (int k = 0; k < 8; k++) {
                    damaged[random.nextInt(i < 40 ? 3000 : model.length)] = (byte) random.nextInt(256);
                }
            }
            Files.write(file, damaged);
            try {
                T5Tokenizer.open(file).encode("ﬁne the photo: 日本語 </s> ½");
            } catch (InputException refused) {
                assertThat(refused).hasMessageStartingWith(file.toString());
            }
        }
        Files.write(file, new byte[0]);
        assertThatThrownBy(() -> T5Tokenizer.open(file)).hasMessageContaining("so it is no SentencePiece model");
        Files.write(file, Arrays.copyOf(model, 100));
        assertThatThrownBy(() -> T5Tokenizer.open(file)).hasMessageEndingWith("not a SentencePiece model, or damaged");
    }

    /** The model's map is NFKC with a few changes, so the JDK's NFKC is a second implementation of it. */
    @Test
    void charactersAreNormalisedAsNfkc() {
        CharsMap map = CharsMap.of(
                SentencePieceFile.read(FOLDER.resolve("spiece.model"), 0).charsMap(), "test");
        int changed = 0;
        for (int[] range : new int[][] {
            {0xC0, 0x2AF}, {0x386, 0x556}, {0x1E00, 0x1EFF}, {0xFF21, 0xFF5A}, {0x3041, 0x3096}, {0xAC00, 0xD7A3}
        }) {
            for (int c = range[0]; c <= range[1]; c++) {
                String decomposed = Normalizer.normalize(Character.toString(c), Normalizer.Form.NFD);
                String expected = Normalizer.normalize(Character.toString(c), Normalizer.Form.NFKC);
                assertThat(map.apply(Character.toString(c)))
                        .as(Integer.toHexString(c))
                        .isEqualTo(expected);
                if (c < 0xAC00) { // SentencePiece leaves parts of Korean syllables apart
                    assertThat(map.apply("x" + decomposed))
                            .as(Integer.toHexString(c))
                            .isEqualTo("x" + expected);
                }
                changed += expected.equals(Character.toString(c)) ? 0 : 1;
            }
        }
        assertThat(changed).isGreaterThan(50);
    }

    @Test
    void aMapThatDoesNotFitItsBytesIsRefused() {
        for (byte[] bytes : List.of(
                new byte[3], new byte[4], new byte[] {8, 0, 0, 0, 1, 2, 3, 4}, new byte[] {3, 0, 0, 0, 0, 0, 0})) {
            assertThatThrownBy(() -> CharsMap.of(bytes, "file"))
                    .isInstanceOf(InputException.class)
                    .hasMessage("file: the map of characters (precompiled_charsmap) is damaged");
        }
        assertThat(CharsMap.of(new byte[0], "file").apply("ﬁ")).isEqualTo("ﬁ");
        int leaf = 'a' ^ 2; // a table of one entry, "a", whose value lies beyond the replacements
        ByteBuffer table =
                ByteBuffer.allocate(4 + 4 * 256).order(ByteOrder.LITTLE_ENDIAN).putInt(4 * 256);
        table.putInt(4 + 4 * 'a', 'a' | 0x100 | (('a' ^ leaf) << 10)).putInt(4 + 4 * leaf, 0x8000_0000 | 99);
        assertThatThrownBy(() -> CharsMap.of(table.array(), "file").apply("a")).hasMessageEndingWith("is damaged");
    }

    /** Against all ways to cut. */
    @Test
    void theCutIsTheBestOfAll() {
        List<Unigram.Piece> pieces =
                new ArrayList<>(List.of(new Unigram.Piece("<unk>", 0, false), new Unigram.Piece("</s>", 0, false)));
        SplittableRandom random = new SplittableRandom(3);
        for (String text : List.of("a", "b", "ab", "ba", "aab", "bb", "abab", "😀", "😀a", "bbbb")) {
            pieces.add(new Unigram.Piece(text, (float) (-1 - 5 * random.nextDouble()), true));
        }
        Unigram unigram = new Unigram(pieces, 0);
        String[] letters = {"a", "b", "a", "b", "😀", "c"};
        for (int i = 0; i < 300; i++) {
            StringBuilder text = new StringBuilder();
            for (int k = random.nextInt(9); k > 0; k--) {
                text.append(letters[random.nextInt(letters.length)]);
            }
            double[] best = {Double.NEGATIVE_INFINITY};
            List<Integer> expected = new ArrayList<>();
            search(text.toString(), pieces, new ArrayList<>(), 0, best, expected);
            int[] fused = fused(expected);
            assertThat(unigram.encode(text.toString())).as(text.toString()).isEqualTo(fused);
        }
    }

    private static void search(
            String rest,
            List<Unigram.Piece> pieces,
            List<Integer> path,
            double sum,
            double[] best,
            List<Integer> found) {
        if (rest.isEmpty()) {
            if (sum > best[0]) {
                best[0] = sum;
                found.clear();
                found.addAll(path);
            }
            return;
        }
        double least = pieces.stream().mapToDouble(Unigram.Piece::score).min().orElseThrow();
        boolean single = false;
        int character = Character.charCount(rest.codePointAt(0));
        for (int id = 0; id < pieces.size(); id++) {
            Unigram.Piece piece = pieces.get(id);
            if (piece.normal() && rest.startsWith(piece.text())) {
                single |= piece.text().length() == character;
                path.add(id);
                search(rest.substring(piece.text().length()), pieces, path, sum + piece.score(), best, found);
                path.remove(path.size() - 1);
            }
        }
        if (!single) {
            path.add(0);
            search(rest.substring(character), pieces, path, sum + least - 10, best, found);
            path.remove(path.size() - 1);
        }
    }

    private static int[] fused(List<Integer> path) {
        List<Integer> fused = new ArrayList<>();
        for (int id : path) {
            if (id != 0 || fused.isEmpty() || fused.get(fused.size() - 1) != 0) {
                fused.add(id);
            }
        }
        return fused.stream().mapToInt(Integer::intValue).toArray();
    }
}
