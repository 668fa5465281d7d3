package org.mezzotint.text;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.mezzotint.io.InputException;

/**
 * {@code spiece.model}, a protocol buffer of SentencePiece's {@code ModelProto}: {@code 1} pieces (text, score, type),
 * {@code 2} how it was trained, {@code 3} how text is normalised. What T5's files say is required; another model type or rule
 * is an error that names it.
 */
final class SentencePieceFile {
    private static final int VARINT = 0;
    private static final int FIXED64 = 1;
    private static final int BYTES = 2;
    private static final int FIXED32 = 5;

    private static final int NORMAL = 1;
    private static final int UNKNOWN = 2;
    private static final int CONTROL = 3;
    private static final int UNUSED = 5;
    private static final int UNIGRAM = 1;

    private final String source;
    private final List<Unigram.Piece> pieces = new ArrayList<>();
    private final Map<String, Integer> specials = new LinkedHashMap<>();
    private byte[] charsMap = new byte[0];
    private int unknown = -1;

    private SentencePieceFile(String source) {
        this.source = source;
    }

    /**
     * Reads the file.
     *
     * @param extraIds sentinels behind the pieces: {@code <extra_id_k>} is id pieces + extraIds − 1 − k
     * @throws InputException if it is damaged or says what T5's do not
     */
    static Vocabulary read(Path path, int extraIds) {
        SentencePieceFile file = new SentencePieceFile(path.toString());
        file.model(new Message(path.toString(), ByteBuffer.wrap(JsonFile.bytes(path))));
        return file.vocabulary(extraIds);
    }

    private Vocabulary vocabulary(int extraIds) {
        if (unknown < 0) {
            throw new InputException(source + ": it has no unknown piece, so it is no SentencePiece model");
        }
        for (int k = 0; k < extraIds; k++) {
            specials.put("<extra_id_" + k + ">", pieces.size() + extraIds - 1 - k);
        }
        return new Vocabulary(
                source,
                List.copyOf(pieces),
                specials,
                charsMap,
                special(Vocabulary.PAD),
                special(Vocabulary.END),
                unknown,
                true);
    }

    private int special(String name) {
        Integer id = specials.get(name);
        if (id == null) {
            throw new InputException(source + ": it must have the control symbol " + name);
        }
        return id;
    }

    private void model(Message message) {
        while (message.next()) {
            switch (message.field) {
                case 1 -> piece(message.message());
                case 2 -> trainer(message.message());
                case 3 -> normalizer(message.message());
                default -> message.skip();
            }
        }
    }

    private void piece(Message message) {
        String text = "";
        float score = 0;
        long type = NORMAL;
        while (message.next()) {
            switch (message.field) {
                case 1 -> text = new String(message.bytes(), StandardCharsets.UTF_8);
                case 2 -> score = message.fixed32();
                case 3 -> type = message.varint();
                default -> message.skip();
            }
        }
        int id = pieces.size();
        if (id == Vocabulary.MOST_PIECES) {
            throw new InputException(source + ": must have at most " + id + " pieces, got more");
        }
        if (type == UNKNOWN) {
            unknown = id;
        } else if (type != NORMAL && type != CONTROL && type != UNUSED) {
            throw new InputException(
                    source + ": piece " + id + " must be normal, unknown, control or unused, got type " + type);
        }
        if (type == UNKNOWN || type == CONTROL) {
            specials.put(text, id);
        }
        pieces.add(new Unigram.Piece(text, score, type == NORMAL));
    }

    private void trainer(Message message) {
        while (message.next()) {
            switch (message.field) {
                case 3 -> require("model_type", message.varint(), UNIGRAM);
                case 24 -> require("treat_whitespace_as_suffix", message.varint(), 0);
                case 35 -> require("byte_fallback", message.varint(), 0);
                default -> message.skip();
            }
        }
    }

    private void normalizer(Message message) {
        while (message.next()) {
            switch (message.field) {
                case 2 -> charsMap = message.bytes();
                case 3 -> require("add_dummy_prefix", message.varint(), 1);
                case 4 -> require("remove_extra_whitespaces", message.varint(), 1);
                case 5 -> require("escape_whitespaces", message.varint(), 1);
                default -> message.skip();
            }
        }
    }

    private void require(String name, long value, long expected) {
        if (value != expected) {
            throw new InputException(source + ": " + name + " must be " + expected + " as T5's, got " + value);
        }
    }

    /** Fields of a protocol buffer, one after the other. */
    private static final class Message {
        private final String source;
        private final ByteBuffer data;
        private int field;
        private int wire;

        Message(String source, ByteBuffer data) {
            this.source = source;
            this.data = data.order(ByteOrder.LITTLE_ENDIAN);
        }

        /** Goes to the next field, if there is one. */
        boolean next() {
            if (!data.hasRemaining()) {
                return false;
            }
            long tag = number();
            field = (int) (tag >>> 3);
            wire = (int) (tag & 7);
            if (field == 0 || tag >>> 32 != 0) {
                throw damaged();
            }
            return true;
        }

        long varint() {
            expect(VARINT);
            return number();
        }

        float fixed32() {
            expect(FIXED32);
            return need(Integer.BYTES).getFloat();
        }

        byte[] bytes() {
            expect(BYTES);
            byte[] bytes = new byte[length()];
            data.get(bytes);
            return bytes;
        }

        Message message() {
            expect(BYTES);
            int length = length();
            ByteBuffer part = data.slice(data.position(), length);
            data.position(data.position() + length);
            return new Message(source, part);
        }

        void skip() {
            switch (wire) {
                case VARINT -> number();
                case FIXED64 -> need(Long.BYTES).getLong();
                case BYTES -> message();
                case FIXED32 -> need(Integer.BYTES).getInt();
                default -> throw damaged();
            }
        }

        private void expect(int type) {
            if (wire != type) {
                throw damaged();
            }
        }

        /** The length of what follows, which is there. */
        private int length() {
            long length = number();
            if (length < 0 || length > data.remaining()) {
                throw damaged();
            }
            return (int) length;
        }

        private long number() {
            long value = 0;
            for (int shift = 0; shift < Long.SIZE; shift += 7) {
                byte next = need(1).get();
                value |= (long) (next & 0x7F) << shift;
                if (next >= 0) {
                    return value;
                }
            }
            throw damaged();
        }

        private ByteBuffer need(int bytes) {
            if (data.remaining() < bytes) {
                throw damaged();
            }
            return data;
        }

        private InputException damaged() {
            return new InputException(source + ": not a SentencePiece model, or damaged");
        }
    }
}
