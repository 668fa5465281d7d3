package org.mezzotint.autoencoders;

import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;

/**
 * The names that an autoencoder's tensors have elsewhere. Ours are those of diffusers since 0.15:
 *
 * <ul>
 *   <li><b>old diffusers</b>: the attention's {@code query}, {@code key}, {@code value}, {@code proj_attn} are {@code to_q},
 *       {@code to_k}, {@code to_v}, {@code to_out.0};
 *   <li><b>Stable Diffusion</b> (the authors' checkpoints, CompVis/latent-diffusion): {@code encoder.down.1.block.0.conv1},
 *       {@code decoder.up.3.upsample.conv}, {@code mid.attn_1.q}, {@code nin_shortcut}, … The decoder counts its levels the
 *       other way round, and the attention's matrices are 1×1 convolutions. In a whole model each name starts with
 *       {@link #SD_PREFIX};
 *   <li><b>TAESD</b>: two files, encoder and decoder, whose layers are only numbered.
 * </ul>
 *
 * <p>A name that no rule knows stays as it is, so that whoever loads it can say that it is extra.
 */
public final class AutoencoderNames {
    /** In front of the autoencoder's tensors in a whole Stable Diffusion checkpoint. */
    public static final String SD_PREFIX = "first_stage_model.";

    private static final Pattern ATTENTION =
            Pattern.compile("((?:en|de)coder\\.mid_block\\.attentions\\.0\\.)([a-z_0-9.]+?)\\.(weight|bias)");
    private static final Map<String, String> OLD_TO_NEW =
            Map.of("query", "to_q", "key", "to_k", "value", "to_v", "proj_attn", "to_out.0");
    private static final Map<String, String> SD_TO_NEW =
            Map.of("norm", "group_norm", "q", "to_q", "k", "to_k", "v", "to_v", "proj_out", "to_out.0");

    private static final Pattern SD_BLOCK =
            Pattern.compile("(encoder\\.down|decoder\\.up)\\.(\\d{1,2})\\.block\\.(\\d{1,3})\\.(.+)");
    private static final Pattern SD_RESIZE =
            Pattern.compile("((?:en|de)coder\\.(down|up))\\.(\\d{1,2})\\.\\2sample\\.conv\\.(.+)");
    private static final Pattern SD_MIDDLE = Pattern.compile("((?:en|de)coder)\\.mid\\.block_([12])\\.(.+)");
    private static final Pattern SD_ATTENTION =
            Pattern.compile("((?:en|de)coder)\\.mid\\.attn_1\\.([a-z_]+)\\.(weight|bias)");
    private static final Pattern SD_NORM_OUT = Pattern.compile("((?:en|de)coder)\\.norm_out\\.(.+)");

    private static final Pattern BLOCK =
            Pattern.compile("(encoder\\.down|decoder\\.up)_blocks\\.(\\d{1,2})\\.resnets\\.(\\d{1,3})\\.(.+)");
    private static final Pattern RESIZE =
            Pattern.compile("((?:en|de)coder\\.(down|up))_blocks\\.(\\d{1,2})\\.\\2samplers\\.0\\.conv\\.(.+)");
    private static final Pattern MIDDLE = Pattern.compile("((?:en|de)coder)\\.mid_block\\.resnets\\.([01])\\.(.+)");
    private static final Pattern NORM_OUT = Pattern.compile("((?:en|de)coder)\\.conv_norm_out\\.(.+)");

    private static final Pattern NUMBERED = Pattern.compile("(\\d{1,3})\\.(.+)");
    private static final Pattern LAYERED = Pattern.compile("(en|de)coder\\.layers\\.(\\d{1,3})\\.(.+)");

    private AutoencoderNames() {}

    /**
     * From an old or a new diffusers name to ours.
     *
     * @param name of a tensor
     * @return ours
     */
    public static String fromDiffusers(String name) {
        return attention(name, OLD_TO_NEW);
    }

    /**
     * From our name to the old diffusers name.
     *
     * @param ours name of a tensor
     * @return with {@code query}, {@code key}, {@code value}, {@code proj_attn}
     */
    public static String toOldDiffusers(String ours) {
        return attention(ours, inverse(OLD_TO_NEW));
    }

    private static String attention(String name, Map<String, String> parts) {
        Matcher m = ATTENTION.matcher(name);
        return m.matches() && parts.containsKey(m.group(2))
                ? m.group(1) + parts.get(m.group(2)) + "." + m.group(3)
                : name;
    }

    private static Map<String, String> inverse(Map<String, String> map) {
        return map.entrySet().stream().collect(Collectors.toMap(Map.Entry::getValue, Map.Entry::getKey));
    }

    /**
     * From a Stable Diffusion name to ours.
     *
     * @param name of a tensor, without {@link #SD_PREFIX}
     * @param levels of the autoencoder
     * @return ours
     */
    public static String fromStableDiffusion(String name, int levels) {
        Matcher m = SD_BLOCK.matcher(name);
        if (m.matches()) {
            return m.group(1) + "_blocks." + level(m.group(1), m.group(2), levels) + ".resnets." + m.group(3) + "."
                    + m.group(4).replace("nin_shortcut", "conv_shortcut");
        }
        m = SD_RESIZE.matcher(name);
        if (m.matches()) {
            return m.group(1) + "_blocks." + level(m.group(1), m.group(3), levels) + "." + m.group(2)
                    + "samplers.0.conv." + m.group(4);
        }
        m = SD_MIDDLE.matcher(name);
        if (m.matches()) {
            return m.group(1) + ".mid_block.resnets." + (Integer.parseInt(m.group(2)) - 1) + "." + m.group(3);
        }
        m = SD_ATTENTION.matcher(name);
        if (m.matches() && SD_TO_NEW.containsKey(m.group(2))) {
            return m.group(1) + ".mid_block.attentions.0." + SD_TO_NEW.get(m.group(2)) + "." + m.group(3);
        }
        m = SD_NORM_OUT.matcher(name);
        return m.matches() ? m.group(1) + ".conv_norm_out." + m.group(2) : name;
    }

    /**
     * From our name to a Stable Diffusion name.
     *
     * @param ours name of a tensor
     * @param levels of the autoencoder
     * @return the name, without {@link #SD_PREFIX}
     */
    public static String toStableDiffusion(String ours, int levels) {
        Matcher m = BLOCK.matcher(ours);
        if (m.matches()) {
            return m.group(1) + "." + level(m.group(1), m.group(2), levels) + ".block." + m.group(3) + "."
                    + m.group(4).replace("conv_shortcut", "nin_shortcut");
        }
        m = RESIZE.matcher(ours);
        if (m.matches()) {
            return m.group(1) + "." + level(m.group(1), m.group(3), levels) + "." + m.group(2) + "sample.conv."
                    + m.group(4);
        }
        m = MIDDLE.matcher(ours);
        if (m.matches()) {
            return m.group(1) + ".mid.block_" + (Integer.parseInt(m.group(2)) + 1) + "." + m.group(3);
        }
        m = ATTENTION.matcher(ours);
        Map<String, String> parts = inverse(SD_TO_NEW);
        if (m.matches() && parts.containsKey(m.group(2))) {
            String side = m.group(1).substring(0, "encoder".length());
            return side + ".mid.attn_1." + parts.get(m.group(2)) + "." + m.group(3);
        }
        m = NORM_OUT.matcher(ours);
        return m.matches() ? m.group(1) + ".norm_out." + m.group(2) : ours;
    }

    /**
     * The shape that a tensor of ours has in a Stable Diffusion file: the attention's matrices are 1×1 convolutions there.
     *
     * @param ours name of the tensor
     * @param shape ours
     * @return the shape there, of as many numbers in the same order
     */
    public static long[] stableDiffusionShape(String ours, long... shape) {
        return shape.length == 2 && ATTENTION.matcher(ours).matches()
                ? new long[] {shape[0], shape[1], 1, 1}
                : shape.clone();
    }

    private static String level(String side, String number, int levels) {
        int level = Integer.parseInt(number);
        return Integer.toString(side.startsWith("decoder") ? levels - 1 - level : level);
    }

    /**
     * From a name in TAESD's encoder file to ours.
     *
     * @param name such as {@code 3.conv.0.weight}
     * @return such as {@code encoder.layers.3.conv.0.weight}
     */
    public static String fromTaesdEncoder(String name) {
        return NUMBERED.matcher(name).matches() ? "encoder.layers." + name : name;
    }

    /**
     * From a name in TAESD's decoder file, whose layer 0 is the soft cut-off, to ours.
     *
     * @param name such as {@code 3.conv.0.weight}
     * @return such as {@code decoder.layers.2.conv.0.weight}
     */
    public static String fromTaesdDecoder(String name) {
        Matcher m = NUMBERED.matcher(name);
        return m.matches() ? "decoder.layers." + (Integer.parseInt(m.group(1)) - 1) + "." + m.group(2) : name;
    }

    /**
     * From our name to the name in TAESD's encoder or decoder file; which of the two, our name says.
     *
     * @param ours such as {@code decoder.layers.2.conv.0.weight}
     * @return such as {@code 3.conv.0.weight}
     */
    public static String toTaesd(String ours) {
        Matcher m = LAYERED.matcher(ours);
        if (!m.matches()) {
            return ours;
        }
        int first = m.group(1).equals("de") ? 1 : 0;
        return (Integer.parseInt(m.group(2)) + first) + "." + m.group(3);
    }
}
