package org.mezzotint.convert;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorVector;
import org.bytedeco.pytorch.global.torch;
import org.mezzotint.io.CheckpointException;
import org.mezzotint.io.InputException;
import org.mezzotint.models.DiTConfig;
import org.mezzotint.models.layers.PatchEmbed;
import org.mezzotint.tensor.Scope;
import org.mezzotint.tensor.Tensors;

/**
 * DiT's {@code transformer} folder of Hugging Face's diffusers ({@code DiTTransformer2DModel}, and {@code Transformer2DModel}
 * of older folders).
 *
 * <p>Diffusers stores the embedders of time and class once a block, in equal copies, and no positions; queries, keys and
 * values are three layers. It also computes two details its own way: {@link DiTConfig.Convention#diffusers}.
 */
public final class DiffusersDiT {
    private static final double USUAL_NORM_EPSILON = 1e-5;
    /** How far positions may be from the formula: a moving average rounds them. */
    private static final double POSITION_DRIFT = 1e-3;

    private static final Map<String, String> EMBEDDER = Map.of(
            "timestep_embedder.linear_1", "t_embedder.mlp.0",
            "timestep_embedder.linear_2", "t_embedder.mlp.2",
            "class_embedder.embedding_table", "y_embedder.embedding_table");

    private static final Map<String, String> BLOCK = new LinkedHashMap<>();

    static {
        BLOCK.put("norm1.linear", "adaLN_modulation.1");
        BLOCK.put("attn1.to_out.0", "attn.proj");
        BLOCK.put("ff.net.0.proj", "mlp.fc1");
        BLOCK.put("ff.net.2", "mlp.fc2");
    }

    private static final Map<String, String> OUTSIDE = Map.of(
            "pos_embed.proj", "x_embedder.proj",
            "proj_out_1", "final_layer.adaLN_modulation.1",
            "proj_out_2", "final_layer.linear");

    private static final List<String> ATTENTION = List.of("to_q", "to_k", "to_v");
    private static final List<String> KINDS = List.of(".weight", ".bias");

    private DiffusersDiT() {}

    /**
     * Reads {@code config.json}.
     *
     * @param where the file, for messages
     * @param json its text
     * @return the network's shape
     * @throws InputException if a key has a value that our DiT cannot follow, or is unknown
     */
    public static DiTConfig config(String where, String json) {
        Fields f = Fields.ofJson(where, json);
        f.only("_class_name", "DiTTransformer2DModel", "Transformer2DModel");
        f.only("activation_fn", "gelu-approximate");
        f.only("attention_bias", true);
        f.only("norm_type", "ada_norm_zero");
        f.only("norm_elementwise_affine", false);
        f.only("cross_attention_dim", (Object) null);
        f.only("num_vector_embeds", (Object) null);
        f.only("only_cross_attention", false);
        f.only("use_linear_projection", false);
        f.only("double_self_attention", false);
        f.only("caption_channels", (Object) null);
        f.only("interpolation_scale", (Object) null);
        f.only("attention_type", "default");
        f.only("dropout", 0.0);
        f.ignore("_diffusers_version", "_name_or_path", "norm_num_groups", "upcast_attention");
        int heads = f.integer("num_attention_heads");
        int channels = f.integer("in_channels");
        int out = f.integer("out_channels", channels);
        if (out != channels && out != 2 * channels) {
            throw new InputException(where + ": out_channels must be in_channels or twice that, got " + out);
        }
        int size = f.integer("sample_size");
        DiTConfig config = new DiTConfig(
                size,
                size,
                channels,
                f.integer("patch_size"),
                heads * f.integer("attention_head_dim"),
                f.integer("num_layers"),
                heads,
                4,
                f.integer("num_embeds_ada_norm"),
                true,
                out == 2 * channels,
                DiTConfig.Conditioning.ADALN_ZERO,
                new DiTConfig.Convention(1, f.number("norm_eps", USUAL_NORM_EPSILON)));
        f.finish();
        return config;
    }

    /**
     * Writes {@code config.json}.
     *
     * @param config of an adaLN-Zero DiT with a null class
     * @return keys and values
     * @throws InputException if diffusers cannot build it
     */
    public static Map<String, Object> config(DiTConfig config) {
        if (config.convention().timeFrequencyShift() != 1) {
            throw new InputException(
                    "the model follows the authors' convention (" + config.convention()
                            + "): in diffusers the same weights give other pictures. Say --set convention=diffusers to accept that");
        }
        if (config.mlpRatio() != 4 || !config.nullClass()) {
            throw new InputException("diffusers' DiT has an MLP ratio of 4 and a null class, got " + config.mlpRatio()
                    + " and " + (config.nullClass() ? "one" : "none"));
        }
        Map<String, Object> json = new LinkedHashMap<>();
        json.put("_class_name", "DiTTransformer2DModel");
        json.put("activation_fn", "gelu-approximate");
        json.put("attention_bias", true);
        json.put("attention_head_dim", config.hiddenSize() / config.numHeads());
        json.put("dropout", 0.0);
        json.put("in_channels", config.channels());
        json.put("norm_elementwise_affine", false);
        json.put("norm_eps", config.convention().mlpNormEpsilon());
        json.put("norm_num_groups", 32);
        json.put("norm_type", "ada_norm_zero");
        json.put("num_attention_heads", config.numHeads());
        json.put("num_embeds_ada_norm", config.numClasses());
        json.put("num_layers", config.depth());
        json.put("out_channels", config.outputChannels());
        json.put("patch_size", config.patchSize());
        json.put("sample_size", config.height());
        json.put("upcast_attention", false);
        return json;
    }

    /**
     * From diffusers' names to ours.
     *
     * @param theirs by diffusers' names; tensors without a place stay under their own name, for the check of names
     * @param config of the folder
     * @return by our names; in the caller's scope
     * @throws CheckpointException if the blocks' copies of an embedder differ, naming the tensor
     */
    public static Map<String, Tensor> toOurs(Map<String, Tensor> theirs, DiTConfig config) {
        Map<String, Tensor> rest = new LinkedHashMap<>(theirs);
        Map<String, Tensor> ours = new LinkedHashMap<>();
        ours.put("pos_embed", positions(config));
        OUTSIDE.forEach((from, to) -> move(rest, from, ours, to));
        for (int i = 0; i < config.depth(); i++) {
            String block = "transformer_blocks." + i + ".";
            String to = "blocks." + i + ".";
            for (Map.Entry<String, String> each : EMBEDDER.entrySet()) {
                for (String kind : KINDS) {
                    Tensor copy = rest.remove(block + "norm1.emb." + each.getKey() + kind);
                    if (copy != null) {
                        same(ours, each.getValue() + kind, copy, block + "norm1.emb." + each.getKey() + kind);
                    }
                }
            }
            BLOCK.forEach((from, name) -> move(rest, block + from, ours, to + name));
            for (String kind : KINDS) {
                join(rest, block + "attn1.", kind, ours, to + "attn.qkv" + kind);
            }
        }
        ours.putAll(rest);
        return ours;
    }

    private static void move(Map<String, Tensor> from, String prefix, Map<String, Tensor> to, String name) {
        for (String kind : KINDS) {
            Tensor tensor = from.remove(prefix + kind);
            if (tensor != null) {
                to.put(name + kind, tensor);
            }
        }
    }

    private static void same(Map<String, Tensor> ours, String name, Tensor copy, String theirs) {
        Tensor first = ours.putIfAbsent(name, copy);
        if (first != null && !first.equal(copy)) {
            throw new CheckpointException(
                    theirs + " differs from the copy in block 0: such a model exists in diffusers" + " only");
        }
    }

    private static void join(
            Map<String, Tensor> from, String prefix, String kind, Map<String, Tensor> to, String name) {
        List<Tensor> parts = new ArrayList<>();
        for (String part : ATTENTION) {
            if (from.containsKey(prefix + part + kind)) {
                parts.add(from.get(prefix + part + kind));
            }
        }
        if (parts.size() == ATTENTION.size()) {
            ATTENTION.forEach(part -> from.remove(prefix + part + kind));
            to.put(name, torch.cat(new TensorVector(parts.toArray(Tensor[]::new)), 0));
        }
    }

    /**
     * From our names to diffusers'.
     *
     * @param ours by our names
     * @param config of the model
     * @return by diffusers' names; in the caller's scope
     * @throws InputException if the positions are not those that diffusers computes
     */
    public static Map<String, Tensor> toTheirs(Map<String, Tensor> ours, DiTConfig config) {
        checkPositions(ours.get("pos_embed"), config);
        Map<String, Tensor> theirs = new LinkedHashMap<>();
        OUTSIDE.forEach((to, from) -> give(ours, from, theirs, to));
        for (int i = 0; i < config.depth(); i++) {
            String block = "transformer_blocks." + i + ".";
            String from = "blocks." + i + ".";
            EMBEDDER.forEach((to, name) -> give(ours, name, theirs, block + "norm1.emb." + to));
            BLOCK.forEach((to, name) -> give(ours, from + name, theirs, block + to));
            for (String kind : KINDS) {
                TensorVector parts = ours.get(from + "attn.qkv" + kind).chunk(3, 0);
                for (int part = 0; part < ATTENTION.size(); part++) {
                    theirs.put(block + "attn1." + ATTENTION.get(part) + kind, parts.get(part));
                }
            }
        }
        return theirs;
    }

    private static void give(Map<String, Tensor> ours, String name, Map<String, Tensor> theirs, String to) {
        for (String kind : KINDS) {
            Tensor tensor = ours.get(name + kind);
            if (tensor != null) {
                theirs.put(to + kind, tensor);
            }
        }
    }

    private static Tensor positions(DiTConfig config) {
        int grid = config.height() / config.patchSize();
        return Tensors.of(PatchEmbed.sinCosPositions(config.hiddenSize(), grid, grid))
                .to(torch.ScalarType.Float)
                .view(1, (long) grid * grid, config.hiddenSize());
    }

    private static void checkPositions(Tensor stored, DiTConfig config) {
        try (Scope scope = Scope.open()) {
            double drift = stored.to(torch.ScalarType.Float)
                    .sub(positions(config))
                    .abs()
                    .max()
                    .item_double();
            if (!(drift <= POSITION_DRIFT)) {
                throw new InputException("diffusers computes positions itself; pos_embed differs from the formula by "
                        + drift + ", which must be at most " + POSITION_DRIFT);
            }
        }
    }
}
