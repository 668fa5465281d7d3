package org.mezzotint.autoencoders;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.mezzotint.golden.Golden;
import org.mezzotint.io.InputException;

class DiffusersConfigTest {
    private static final String KL = """
            {"_class_name": "AutoencoderKL", "act_fn": "silu", "block_out_channels": [16, 32], "layers_per_block": 1,
             "down_block_types": ["DownEncoderBlock2D", "DownEncoderBlock2D"], "latent_channels": 4,
             "up_block_types": ["UpDecoderBlock2D", "UpDecoderBlock2D"], "norm_num_groups": 8}""";

    private static final String TINY = """
            {"_class_name": "AutoencoderTiny", "_diffusers_version": "0.30.0", "act_fn": "relu",
             "decoder_block_out_channels": [64, 64, 64, 64], "encoder_block_out_channels": [64, 64, 64, 64],
             "force_upcast": false, "in_channels": 3, "latent_channels": 16, "latent_magnitude": 3, "latent_shift": 0.5,
             "num_decoder_blocks": [3, 3, 3, 1], "num_encoder_blocks": [1, 3, 3, 3], "out_channels": 3,
             "scaling_factor": 1.0, "shift_factor": 0.0, "upsample_fn": "nearest", "upsampling_scaling_factor": 2}""";

    @TempDir
    Path temp;

    private static AutoencoderConfig parse(String json) {
        return DiffusersConfig.parse(json, "config.json");
    }

    /** KL with one more key. */
    private static String with(String key, String value) {
        return KL.replaceFirst("\\{", "{\"" + key + "\": " + value + ", ");
    }

    /** KL with another value of a key. */
    private static String but(String old, String other) {
        assertThat(KL).contains(old);
        return KL.replace(old, other);
    }

    @Test
    void oldAndNewFilesGiveTheSameNetwork() {
        AutoencoderKLConfig expected =
                new AutoencoderKLConfig(3, 4, List.of(16, 32), 1, 8, true, true, true, LatentScale.of(0.18215));
        assertThat(DiffusersConfig.read(Golden.path("diffusers/vae-tiny/config.json")))
                .isEqualTo(expected);
        assertThat(DiffusersConfig.read(Golden.path("diffusers/vae-tiny-old/config.json")))
                .isEqualTo(expected);
        assertThat(parse(KL)).isEqualTo(expected);
    }

    @Test
    void everyKeyIsHeard() {
        AutoencoderKLConfig config = (AutoencoderKLConfig) parse(with("scaling_factor", """
                0.5, "shift_factor": 0.25, "latents_mean": [1, 2, 3, 4], "latents_std": [1, 2, 1, 2.5],
                "use_quant_conv": false, "use_post_quant_conv": false, "mid_block_add_attention": false,
                "in_channels": 1, "out_channels": 1, "sample_size": 512, "force_upcast": true"""));
        assertThat(config)
                .isEqualTo(new AutoencoderKLConfig(
                        1,
                        4,
                        List.of(16, 32),
                        1,
                        8,
                        false,
                        false,
                        false,
                        new LatentScale(0.5, 0.25, List.of(1.0, 2.0, 3.0, 4.0), List.of(1.0, 2.0, 1.0, 2.5))));
        assertThat(parse(with("use_quant_conv", "false"))).isNotEqualTo(parse(with("use_post_quant_conv", "false")));
    }

    @Test
    void theTinyAutoencoderIsReadToo() {
        assertThat(parse(TINY)).isEqualTo(TinyAutoencoderConfig.taesd(16));
    }

    @Test
    void whatIsWrittenIsReadBack() {
        assertThat(parse(DiffusersConfig.write(AutoencoderKLConfig.stableDiffusion())))
                .isEqualTo(AutoencoderKLConfig.stableDiffusion());
        AutoencoderKLConfig odd = new AutoencoderKLConfig(
                2, 1, List.of(6, 9, 3), 3, 3, false, false, true, new LatentScale(2, -1, List.of(0.5), List.of(0.1)));
        assertThat(parse(DiffusersConfig.write(odd))).isEqualTo(odd);
        TinyAutoencoderConfig tiny = new TinyAutoencoderConfig(
                1, 2, 8, List.of(1, 2), List.of(3, 4), false, new LatentScale(3, 1, List.of(), List.of()));
        assertThat(parse(DiffusersConfig.write(tiny))).isEqualTo(tiny);
        assertThatThrownBy(() -> DiffusersConfig.write(TinyAutoencoderConfig.taef2()))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageStartingWith("diffusers' AutoencoderTiny has neither norms inside");
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "\"layers_per_block\": 1, | '' | layers_per_block is missing",
                "[16, 32] | [16, \"32\"] | block_out_channels must be whole numbers, got \"32\"",
                "[16, 32] | 16 | block_out_channels must be a list, got 16",
                "[16, 32] | [16, 30] | widths must be multiples of normGroups, got 30 and 8",
                "\"silu\" | \"mish\" | 'act_fn must be silu, nothing else is implemented, got mish'",
                "\"_class_name\": \"AutoencoderKL\", | '' | _class_name is missing",
                "AutoencoderKL | VQModel | '_class_name must be AutoencoderKL or AutoencoderTiny, got VQModel'",
                "\"latent_channels\": 4 | \"latent_channels\": 4.5 | 'latent_channels must be a whole number, got 4.5'",
                "\"latent_channels\": 4 | \"latent_channels\": null | latent_channels is missing"
            })
    void whatDoesNotFitIsNamed(String old, String other, String message) {
        assertThatThrownBy(() -> parse(but(old, other)))
                .isInstanceOf(InputException.class)
                .hasMessage("config.json: " + message);
    }

    @Test
    void unknownKeysAndOtherBlocksAreRefused() {
        assertThatThrownBy(() -> parse(with("scaling_facto", "1")))
                .isInstanceOf(InputException.class)
                .hasMessage("config.json: scaling_facto: unknown key, did you mean \"scaling_factor\"?");
        assertThatThrownBy(() -> parse(but("DownEncoderBlock2D\"]", "AttnDownEncoderBlock2D\"]")))
                .hasMessage("config.json: down_block_types must be 2 times DownEncoderBlock2D, nothing else is"
                        + " implemented, got [DownEncoderBlock2D, AttnDownEncoderBlock2D]");
        assertThatThrownBy(() -> parse(with("out_channels", "4")))
                .hasMessage("config.json: out_channels must be 3, nothing else is implemented, got 4");
        assertThatThrownBy(() -> parse(TINY.replace("[64, 64, 64, 64], \"encoder", "[64, 64, 64, 32], \"encoder")))
                .hasMessage("config.json: encoder_block_out_channels must be one width for every level of both sides,"
                        + " got [32, 64]");
        assertThatThrownBy(() -> parse(with("latents_mean", "[1, 2]")))
                .hasMessage("config.json: latent mean must have one value for each of the 4 latent channels, or none,"
                        + " got 2");
    }

    @Test
    void whatIsNoJsonObjectIsRefusedInOneLine() throws Exception {
        assertThatThrownBy(() -> parse("[1]")).hasMessage("config.json: must be a JSON object");
        assertThatThrownBy(() -> parse(""))
                .isInstanceOf(InputException.class)
                .hasMessage("config.json: must be a JSON object");
        assertThatThrownBy(() -> parse("{\"a\": 1, \"a\": 2}"))
                .isInstanceOf(InputException.class)
                .hasMessageStartingWith("config.json: not valid JSON: Duplicate field 'a'");
        assertThatThrownBy(() -> parse(KL + "{}"))
                .isInstanceOf(InputException.class)
                .hasMessageStartingWith("config.json: not valid JSON: ");
        Path missing = temp.resolve("config.json");
        assertThatThrownBy(() -> DiffusersConfig.read(missing))
                .isInstanceOf(InputException.class)
                .hasMessage("cannot read " + missing + ": no such file or folder");
        Files.write(missing, new byte[(1 << 20) + 1]);
        assertThatThrownBy(() -> DiffusersConfig.read(missing))
                .hasMessage(missing + ": must have at most 1048576 bytes, got 1048577");
    }
}
