package org.mezzotint.autoencoders;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.mezzotint.golden.Golden;
import org.mezzotint.models.layers.Init;

class AutoencoderNamesTest {
    private static List<String> names(String list) throws IOException {
        JsonNode golden = new ObjectMapper()
                .readTree(Golden.path("diffusers/params-sd-vae.json").toFile());
        List<String> names = new ArrayList<>();
        golden.get(list).forEach(entry -> names.add(entry.get(0).asText()));
        return names;
    }

    @Test
    void oldDiffusersNamesOfTheFullSizeNetworkEqualTheReference() throws IOException {
        List<String> ours = names("state_dict");
        List<String> old = names("state_dict_old_names");
        assertThat(ours.stream().map(AutoencoderNames::toOldDiffusers)).containsExactlyElementsOf(old);
        assertThat(old.stream().map(AutoencoderNames::fromDiffusers)).containsExactlyElementsOf(ours);
        assertThat(ours.stream().map(AutoencoderNames::fromDiffusers)).containsExactlyElementsOf(ours);
    }

    @Test
    void stableDiffusionNamesOfTheFullSizeNetworkGoThereAndBack() throws IOException {
        Set<String> there = new HashSet<>();
        for (String ours : names("state_dict")) {
            String name = AutoencoderNames.toStableDiffusion(ours, 4);
            there.add(name);
            assertThat(AutoencoderNames.fromStableDiffusion(name, 4)).isEqualTo(ours);
            assertThat(name).doesNotContain("blocks", "resnets", "samplers", "mid_block", "to_", "conv_shortcut");
        }
        assertThat(there).hasSize(248);
    }

    /** Names of the tensors in CompVis' checkpoints, one of each kind. */
    @ParameterizedTest
    @CsvSource({
        "encoder.conv_in.weight, encoder.conv_in.weight",
        "encoder.down.1.block.0.nin_shortcut.bias, encoder.down_blocks.1.resnets.0.conv_shortcut.bias",
        "encoder.down.2.block.1.norm2.weight, encoder.down_blocks.2.resnets.1.norm2.weight",
        "encoder.down.0.downsample.conv.weight, encoder.down_blocks.0.downsamplers.0.conv.weight",
        "encoder.mid.block_1.conv2.bias, encoder.mid_block.resnets.0.conv2.bias",
        "decoder.mid.block_2.norm1.weight, decoder.mid_block.resnets.1.norm1.weight",
        "encoder.mid.attn_1.norm.weight, encoder.mid_block.attentions.0.group_norm.weight",
        "encoder.mid.attn_1.q.weight, encoder.mid_block.attentions.0.to_q.weight",
        "decoder.mid.attn_1.k.bias, decoder.mid_block.attentions.0.to_k.bias",
        "decoder.mid.attn_1.v.bias, decoder.mid_block.attentions.0.to_v.bias",
        "decoder.mid.attn_1.proj_out.weight, decoder.mid_block.attentions.0.to_out.0.weight",
        "encoder.norm_out.weight, encoder.conv_norm_out.weight",
        "decoder.up.3.block.2.conv1.weight, decoder.up_blocks.0.resnets.2.conv1.weight",
        "decoder.up.0.block.0.nin_shortcut.weight, decoder.up_blocks.3.resnets.0.conv_shortcut.weight",
        "decoder.up.1.upsample.conv.bias, decoder.up_blocks.2.upsamplers.0.conv.bias",
        "decoder.norm_out.bias, decoder.conv_norm_out.bias",
        "quant_conv.weight, quant_conv.weight",
        "post_quant_conv.bias, post_quant_conv.bias"
    })
    void stableDiffusionNames(String theirs, String ours) {
        assertThat(AutoencoderNames.fromStableDiffusion(theirs, 4)).isEqualTo(ours);
        assertThat(AutoencoderNames.toStableDiffusion(ours, 4)).isEqualTo(theirs);
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "encoder.down.0.upsample.conv.weight",
                "decoder.up.0.attn.0.q.weight",
                "encoder.mid.block_3.conv1.weight",
                "encoder.mid.attn_1.r.weight",
                "loss.logvar"
            })
    void unknownNamesStayAsTheyAre(String name) {
        assertThat(AutoencoderNames.fromStableDiffusion(name, 4)).isEqualTo(name);
    }

    @Test
    void onlyTheAttentionsMatricesAreConvolutionsThere() {
        assertThat(AutoencoderNames.stableDiffusionShape("decoder.mid_block.attentions.0.to_out.0.weight", 512, 512))
                .containsExactly(512, 512, 1, 1);
        assertThat(AutoencoderNames.stableDiffusionShape("decoder.mid_block.attentions.0.to_out.0.bias", 512))
                .containsExactly(512);
        assertThat(AutoencoderNames.stableDiffusionShape("decoder.conv_in.weight", 512, 4, 3, 3))
                .containsExactly(512, 4, 3, 3);
    }

    @ParameterizedTest
    @CsvSource({"0.weight, encoder.layers.0.weight", "13.pool.1.bias, encoder.layers.13.pool.1.bias"})
    void taesdEncoderNames(String theirs, String ours) {
        assertThat(AutoencoderNames.fromTaesdEncoder(theirs)).isEqualTo(ours);
        assertThat(AutoencoderNames.toTaesd(ours)).isEqualTo(theirs);
    }

    @ParameterizedTest
    @CsvSource({"1.weight, decoder.layers.0.weight", "18.conv.4.bias, decoder.layers.17.conv.4.bias"})
    void taesdDecoderNames(String theirs, String ours) {
        assertThat(AutoencoderNames.fromTaesdDecoder(theirs)).isEqualTo(ours);
        assertThat(AutoencoderNames.toTaesd(ours)).isEqualTo(theirs);
    }

    /** The tensors of taef2_encoder.pth and taef2_decoder.pth: which layers have a weight, a norm branch, a bias. */
    @Test
    void taef2HasTheLayersOfItsFiles() {
        try (Init init = Init.shapesOnly();
                TinyAutoencoder shapes = TinyAutoencoderConfig.taef2().create(init)) {
            List<String> encoder = new ArrayList<>();
            List<String> decoder = new ArrayList<>();
            shapes.state().keySet().forEach(ours -> (ours.startsWith("en") ? encoder : decoder)
                    .add(AutoencoderNames.toTaesd(ours)));
            assertThat(encoder)
                    .hasSize(79)
                    .contains("14.bias", "11.pool.3.weight")
                    .doesNotContain("2.bias");
            assertThat(decoder)
                    .hasSize(79)
                    .contains("19.bias", "5.pool.0.weight")
                    .doesNotContain("7.bias", "0.weight");
            assertThat(encoder.stream().filter(name -> name.matches("\\d+\\.weight")))
                    .containsExactly("0.weight", "2.weight", "6.weight", "10.weight", "14.weight");
            assertThat(decoder.stream().filter(name -> name.matches("\\d+\\.weight")))
                    .containsExactly("1.weight", "7.weight", "12.weight", "17.weight", "19.weight");
        }
    }
}
