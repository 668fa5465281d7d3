package org.mezzotint.convert;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.mezzotint.diffusion.PreconditionedDiffusion;
import org.mezzotint.diffusion.SigmaDensity;
import org.mezzotint.diffusion.SigmaWeighting;
import org.mezzotint.io.InputException;
import org.mezzotint.models.HDiTConfig;
import org.mezzotint.train.Ema;
import org.mezzotint.train.LrSchedule;

/** k-diffusion's configuration of {@code image_transformer_v2}, with its defaults, as ours and back. */
final class KDiffusionConfig {
    /** The noise levels of training reach at least this far where the file names no ends. */
    private static final double LOWEST_SIGMA = 1e-3;

    private static final double HIGHEST_SIGMA = 1e3;
    private static final int NOISE_LOW = 32;

    private final Fields f;
    private final String prefix;
    private final String model;

    /** Reads fields below a prefix: {@code ""} for a JSON text, {@code "config."} inside a training checkpoint. */
    KDiffusionConfig(Fields fields, String prefix) {
        f = fields;
        this.prefix = prefix;
        model = prefix + "model.";
        f.only(model + "type", "image_transformer_v2");
    }

    HDiTConfig model() {
        List<Integer> widths = f.integers(model + "widths");
        List<Integer> depths = f.integers(model + "depths");
        List<Integer> hidden = f.hasBelow(model + "d_ffs")
                ? f.integers(model + "d_ffs")
                : widths.stream().map(width -> 3 * width).toList();
        int n = widths.size();
        if (depths.size() != n || hidden.size() != n || n == 0) {
            throw new InputException(f.where() + ": widths, depths and d_ffs must have one number a level each, got "
                    + n + ", " + depths.size() + " and " + hidden.size());
        }
        List<HDiTConfig.Level> levels = new ArrayList<>();
        for (int i = 0; i < n; i++) {
            levels.add(new HDiTConfig.Level(widths.get(i), depths.get(i), hidden.get(i), attention(i, n), dropout(i)));
        }
        int mapping = f.integer(model + "mapping_width", 256);
        f.only(model + "has_variance", false);
        f.only(model + "skip_stages", 0);
        f.only(model + "augment_wrapper", false);
        return new HDiTConfig(
                pair("input_size", 0),
                pair("input_size", 1),
                f.integer(model + "input_channels"),
                pair("patch_size", 0),
                pair("patch_size", 1),
                levels,
                new HDiTConfig.Mapping(
                        mapping,
                        f.integer(model + "mapping_depth", 2),
                        f.integer(model + "mapping_d_ff", 3 * mapping),
                        f.number(model + "mapping_dropout_rate", 0)),
                f.integer(prefix + "dataset.num_classes", 0),
                f.integer(model + "mapping_cond_dim", 0),
                HDiTConfig.Design.paper());
    }

    /** A list of two numbers, or one number for both. */
    private int pair(String name, int which) {
        return f.hasBelow(model + name + ".0") ? f.integer(model + name + "." + which) : f.integer(model + name);
    }

    private double dropout(int level) {
        String name = model + "dropout_rate";
        return f.hasBelow(name + ".0") ? f.number(name + "." + level) : f.number(name, 0);
    }

    private HDiTConfig.Attention attention(int level, int levels) {
        if (!f.hasBelow(model + "self_attns")) {
            return level == levels - 1 ? new HDiTConfig.Global(64) : new HDiTConfig.Neighborhood(64, 7);
        }
        String at = model + "self_attns." + level + ".";
        String type = f.text(at + "type");
        return switch (type) {
            case "global" -> new HDiTConfig.Global(f.integer(at + "d_head", 64));
            case "neighborhood" ->
                new HDiTConfig.Neighborhood(f.integer(at + "d_head", 64), f.integer(at + "kernel_size", 7));
            case "shifted-window" ->
                new HDiTConfig.ShiftedWindow(f.integer(at + "d_head", 64), f.integer(at + "window_size"));
            case "none" -> new HDiTConfig.None();
            default ->
                throw new InputException(f.where() + ": " + at
                        + "type must be global, neighborhood, shifted-window or none, got " + type);
        };
    }

    PreconditionedDiffusion diffusion() {
        f.only(model + "loss_config", "karras");
        double sigmaData = f.number(model + "sigma_data", 1);
        return new PreconditionedDiffusion(
                sigmaData,
                f.number(model + "sigma_min"),
                f.number(model + "sigma_max"),
                density(sigmaData),
                weighting(sigmaData),
                f.integer(model + "loss_scales", 1));
    }

    private SigmaWeighting weighting(double sigmaData) {
        String name = f.text(model + "loss_weighting", "karras");
        return switch (name) {
            case "karras" -> new SigmaWeighting.Edm();
            case "snr" -> new SigmaWeighting.Snr();
            case "soft-min-snr" -> new SigmaWeighting.SoftMinSnr(1 / (sigmaData * sigmaData));
            default ->
                throw new InputException(
                        f.where() + ": loss_weighting must be karras, snr or soft-min-snr, got " + name);
        };
    }

    private SigmaDensity density(double sigmaData) {
        String at = model + "sigma_sample_density.";
        String type = f.text(at + "type");
        double sigmaMin = f.number(model + "sigma_min");
        double sigmaMax = f.number(model + "sigma_max");
        return switch (type) {
            case "lognormal" -> new SigmaDensity.LogNormal(either(at, "mean", "loc"), either(at, "std", "scale"));
            case "loglogistic" ->
                new SigmaDensity.LogLogistic(
                        f.number(at + "loc", Math.log(sigmaData)),
                        f.number(at + "scale", 0.5),
                        f.number(at + "min_value", 0),
                        f.number(at + "max_value", Double.POSITIVE_INFINITY));
            case "loguniform" ->
                new SigmaDensity.LogUniform(f.number(at + "min_value", sigmaMin), f.number(at + "max_value", sigmaMax));
            case "v-diffusion" ->
                new SigmaDensity.VDiffusion(sigmaData, f.number(at + "min_value"), f.number(at + "max_value"));
            case "split-lognormal" ->
                new SigmaDensity.SplitLogNormal(
                        either(at, "mean", "loc"), either(at, "std_1", "scale_1"), either(at, "std_2", "scale_2"));
            case "cosine-interpolated" -> {
                int size = f.integer(at + "image_size", Math.max(pair("input_size", 0), pair("input_size", 1)));
                yield new SigmaDensity.CosineInterpolated(
                        sigmaData,
                        size,
                        f.integer(at + "noise_d_low", NOISE_LOW),
                        f.integer(at + "noise_d_high", size),
                        f.number(at + "min_value", Math.min(sigmaMin, LOWEST_SIGMA)),
                        f.number(at + "max_value", Math.max(sigmaMax, HIGHEST_SIGMA)));
            }
            default ->
                throw new InputException(
                        f.where() + ": sigma_sample_density must be lognormal, loglogistic, loguniform,"
                                + " v-diffusion, split-lognormal or cosine-interpolated, got " + type);
        };
    }

    private double either(String at, String name, String older) {
        return f.has(at + name) ? f.number(at + name) : f.number(at + older);
    }

    /** What is not the model's: needed by a run that goes on. */
    Checkpoint.Recipe recipe() {
        String opt = prefix + "optimizer.";
        f.only(opt + "type", "adamw");
        return new Checkpoint.Recipe(
                f.number(opt + "lr", 5e-4),
                f.number(opt + "betas.0", 0.9),
                f.number(opt + "betas.1", 0.99),
                f.number(opt + "eps", 1e-8),
                f.number(opt + "weight_decay", 1e-4),
                1,
                schedule(prefix + "lr_sched."),
                ema(prefix + "ema_sched."),
                f.number(prefix + "dataset.cond_dropout_rate", 0),
                f.number(model + "augment_prob", 0),
                false);
    }

    private LrSchedule schedule(String at) {
        String type = f.text(at + "type", "constant");
        double warmup = f.number(at + "warmup", 0);
        return switch (type) {
            case "constant" -> new LrSchedule.ConstantExpWarmup(warmup);
            case "inverse" ->
                new LrSchedule.Inverse(
                        f.number(at + "inv_gamma"), f.number(at + "power"), warmup, f.number(at + "min_lr", 0));
            case "exponential" ->
                new LrSchedule.Exponential(
                        f.number(at + "num_steps"), f.number(at + "decay"), warmup, f.number(at + "min_lr", 0));
            default ->
                throw new InputException(
                        f.where() + ": lr_sched must be constant, inverse or exponential, got " + type);
        };
    }

    private Ema ema(String at) {
        f.only(at + "type", "inverse");
        return new Ema.Warmup(
                f.number(at + "inv_gamma", 1),
                f.number(at + "power", 0.6667),
                f.number(at + "min_value", 0),
                f.number(at + "max_value", 0.9999),
                f.integer(at + "start_at", 0));
    }

    /** Refuses keys of the model that nobody asked for; the other sections may hold anything. */
    void finish() {
        for (String section : new String[] {"dataset", "optimizer", "lr_sched", "ema_sched"}) {
            f.ignoreBelow(prefix + section);
        }
        f.ignore(model + "augment_prob");
        f.finish();
    }

    /**
     * Our configuration as theirs.
     *
     * @throws InputException if k-diffusion has no such model
     */
    static Map<String, Object> of(HDiTConfig config, PreconditionedDiffusion diffusion) {
        if (!config.design().equals(HDiTConfig.Design.paper())) {
            throw new InputException("k-diffusion has the paper's design only, got " + config.design());
        }
        Map<String, Object> m = new LinkedHashMap<>();
        m.put("type", "image_transformer_v2");
        m.put("input_channels", config.channels());
        m.put("input_size", List.of(config.height(), config.width()));
        m.put("patch_size", List.of(config.patchHeight(), config.patchWidth()));
        m.put("depths", config.levels().stream().map(HDiTConfig.Level::depth).toList());
        m.put("widths", config.levels().stream().map(HDiTConfig.Level::width).toList());
        m.put(
                "d_ffs",
                config.levels().stream().map(HDiTConfig.Level::feedForwardWidth).toList());
        m.put(
                "self_attns",
                config.levels().stream()
                        .map(level -> attention(level.attention()))
                        .toList());
        m.put(
                "dropout_rate",
                config.levels().stream().map(HDiTConfig.Level::dropout).toList());
        m.put("mapping_width", config.mapping().width());
        m.put("mapping_depth", config.mapping().depth());
        m.put("mapping_d_ff", config.mapping().feedForwardWidth());
        m.put("mapping_dropout_rate", config.mapping().dropout());
        m.put("mapping_cond_dim", config.extraWidth());
        m.put("augment_wrapper", false);
        m.put("augment_prob", 0.0);
        m.put("skip_stages", 0);
        m.put("has_variance", false);
        m.put("loss_config", "karras");
        m.put("loss_weighting", weighting(diffusion));
        m.put("loss_scales", diffusion.scales());
        m.put("sigma_data", diffusion.sigmaData());
        m.put("sigma_min", diffusion.sigmaMin());
        m.put("sigma_max", diffusion.sigmaMax());
        m.put("sigma_sample_density", density(diffusion));
        Map<String, Object> dataset = new LinkedHashMap<>();
        dataset.put("type", config.numClasses() > 0 ? "imagefolder-class" : "imagefolder");
        dataset.put("location", "");
        if (config.numClasses() > 0) {
            dataset.put("num_classes", config.numClasses());
        }
        Map<String, Object> all = new LinkedHashMap<>();
        all.put("model", m);
        all.put("dataset", dataset);
        return all;
    }

    private static Map<String, Object> attention(HDiTConfig.Attention attention) {
        Map<String, Object> json = new LinkedHashMap<>();
        if (attention instanceof HDiTConfig.None) {
            json.put("type", "none");
            return json;
        }
        if (attention instanceof HDiTConfig.Neighborhood near) {
            json.put("type", "neighborhood");
            json.put("kernel_size", near.kernel());
        } else if (attention instanceof HDiTConfig.ShiftedWindow window) {
            json.put("type", "shifted-window");
            json.put("window_size", window.window());
        } else {
            json.put("type", "global");
        }
        json.put("d_head", attention.headWidth());
        return json;
    }

    private static String weighting(PreconditionedDiffusion diffusion) {
        SigmaWeighting weighting = diffusion.weighting();
        double square = diffusion.sigmaData() * diffusion.sigmaData();
        if (weighting instanceof SigmaWeighting.Edm) {
            return "karras";
        }
        if (weighting instanceof SigmaWeighting.Snr) {
            return "snr";
        }
        if (weighting instanceof SigmaWeighting.SoftMinSnr soft && Math.abs(soft.gamma() * square - 1) < 1e-9) {
            return "soft-min-snr";
        }
        throw new InputException(
                "k-diffusion's weightings are edm, snr and soft-min-snr with gamma 1/sigmaData², got " + weighting);
    }

    private static Map<String, Object> density(PreconditionedDiffusion diffusion) {
        SigmaDensity density = diffusion.density();
        if (density instanceof SigmaDensity.CosineInterpolated d && d.sigmaData() == diffusion.sigmaData()) {
            Map<String, Object> json = new LinkedHashMap<>();
            json.put("type", "cosine-interpolated");
            json.put("image_size", d.imageSize());
            json.put("noise_d_low", d.low());
            json.put("noise_d_high", d.high());
            json.put("min_value", d.min());
            json.put("max_value", d.max());
            return json;
        }
        if (density instanceof SigmaDensity.LogNormal d) {
            return Map.of("type", "lognormal", "loc", d.mean(), "scale", d.std());
        }
        if (density instanceof SigmaDensity.LogLogistic d && d.max() < Double.POSITIVE_INFINITY) {
            return Map.of(
                    "type",
                    "loglogistic",
                    "loc",
                    d.mean(),
                    "scale",
                    d.scale(),
                    "min_value",
                    d.min(),
                    "max_value",
                    d.max());
        }
        if (density instanceof SigmaDensity.LogUniform d) {
            return Map.of("type", "loguniform", "min_value", d.min(), "max_value", d.max());
        }
        if (density instanceof SigmaDensity.VDiffusion d && d.sigmaData() == diffusion.sigmaData()) {
            return Map.of("type", "v-diffusion", "min_value", d.min(), "max_value", d.max());
        }
        if (density instanceof SigmaDensity.SplitLogNormal d) {
            return Map.of("type", "split-lognormal", "loc", d.mean(), "scale_1", d.below(), "scale_2", d.above());
        }
        throw new InputException("k-diffusion has no such density of noise levels: " + density);
    }
}
