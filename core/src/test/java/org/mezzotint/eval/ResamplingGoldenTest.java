package org.mezzotint.eval;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.Arrays;
import java.util.EnumMap;
import java.util.EnumSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.SplittableRandom;
import java.util.stream.IntStream;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.mezzotint.data.PictureFiles.Picture;
import org.mezzotint.golden.Golden;
import org.mezzotint.tensor.Devices;
import org.mezzotint.tensor.Scalars;
import org.mezzotint.tensor.Scope;
import org.mezzotint.tensor.Tensors;

class ResamplingGoldenTest {
    private static Tensor levels(Golden golden, ScalarType type) {
        return golden.get("in.image_hwc_u8").to(type).permute(2, 0, 1).unsqueeze(0);
    }

    private static Resampling rule(String key) {
        return switch (key) {
            case "torch_nearest" -> Resampling.TORCH_NEAREST;
            case "torch_bilinear_aa0" -> Resampling.TORCH_BILINEAR;
            case "torch_bilinear_aa1" -> Resampling.TORCH_BILINEAR_ANTIALIAS;
            case "torch_bicubic_aa0" -> Resampling.TORCH_BICUBIC;
            case "tf1_bilinear" -> Resampling.TENSORFLOW_BILINEAR;
            default -> Resampling.BICUBIC_ANTIALIAS;
        };
    }

    @ParameterizedTest
    @CsvSource({"float-a,Double", "float-b,Double", "float-gray-like,Double", "float-a,Float", "float-b,Float"})
    void everyRuleGivesThePixelsOfItsLibrary(String name, ScalarType type) {
        double rounding = type == ScalarType.Double ? 2e-5 : 1e-3;
        try (Scope scope = Scope.open();
                Golden golden = Golden.open("resize/" + name)) {
            for (JsonNode target : golden.config().get("targets_hxw")) {
                int h = target.get(0).intValue();
                int w = target.get(1).intValue();
                for (String key : List.of(
                        "torch_nearest",
                        "torch_bilinear_aa0",
                        "torch_bilinear_aa1",
                        "torch_bicubic_aa0",
                        "torch_bicubic_aa1",
                        "tf1_bilinear",
                        "kdiffusion_inception_input",
                        "cleanfid_clean")) {
                    Tensor resized =
                            rule(key).resize(levels(golden, type), h, w).squeeze(0);
                    if (key.equals("cleanfid_clean") || key.equals("kdiffusion_inception_input")) {
                        resized = resized.clamp(Scalars.optional(0), Scalars.optional(255));
                    }
                    if (key.equals("cleanfid_clean")) {
                        resized = resized.permute(1, 2, 0);
                    }
                    String wanted = "out." + key + "." + h + "x" + w;
                    double tolerance =
                            switch (key) {
                                case "torch_nearest" -> 0;
                                case "cleanfid_clean" -> 1e-3;
                                default -> rounding;
                            };
                    double[] expected = golden.doubles(wanted);
                    double[] actual = Tensors.doubles(resized.contiguous());
                    assertThat(actual).hasSameSizeAs(expected);
                    double worst = IntStream.range(0, expected.length)
                            .mapToDouble(i -> Math.abs(actual[i] - expected[i]))
                            .max()
                            .orElseThrow();
                    assertThat(worst).as(wanted).isLessThanOrEqualTo(tolerance);
                }
            }
        }
    }

    @Test
    void rowsAt299AreThoseOfEachLibrary() {
        try (Scope scope = Scope.open();
                Golden golden = Golden.open("resize/to-299")) {
            Tensor levels = levels(golden, ScalarType.Double);
            Tensor rows = Tensors.of(0, 1, 150, 298);
            for (String key : List.of("tf1_bilinear", "torch_bicubic_aa1")) {
                Tensor resized = rule(key).resize(levels, 299, 299).squeeze(0);
                close(key, resized.index_select(1, rows), golden.doubles("out." + key + "_rows"), 2e-5);
            }
            Tensor bilinear = Resampling.TORCH_BILINEAR.resize(levels, 299, 299).squeeze(0);
            close("bilinear", bilinear.index_select(1, rows), golden.doubles("out.torch_bilinear_rows"), 2e-5);
            Tensor clean = Resampling.BICUBIC_ANTIALIAS
                    .resize(levels, 299, 299)
                    .clamp(Scalars.optional(0), Scalars.optional(255))
                    .squeeze(0)
                    .permute(1, 2, 0);
            close("clean", clean.index_select(0, rows), golden.doubles("out.cleanfid_clean_rows"), 1e-3);
            close("clean sums", clean.sum(0, 1), golden.doubles("out.cleanfid_clean_sum"), 1);
        }
    }

    private static void close(String what, Tensor actual, double[] expected, double tolerance) {
        double[] values = Tensors.doubles(actual.contiguous());
        assertThat(values).as(what).hasSameSizeAs(expected);
        for (int i = 0; i < expected.length; i++) {
            assertThat(Math.abs(values[i] - expected[i])).as(what + " " + i).isLessThanOrEqualTo(tolerance);
        }
    }

    /** The 8-bit mode at 299: Pillow's rows, in the range of the network. */
    @Test
    void quantizedModeGivesPillowsBytes() {
        try (Scope scope = Scope.open();
                Golden golden = Golden.open("resize/to-299")) {
            Tensor bytes = golden.get("in.image_hwc_u8");
            Picture picture = picture(bytes);
            Tensor input = ResizeMode.CLEAN_QUANTIZED.input(List.of(picture), ScalarType.Double, Devices.cpu());
            Tensor levels =
                    input.mul(Scalars.of(128)).add(Scalars.of(128)).squeeze(0).permute(1, 2, 0);
            double[] rows = Tensors.doubles(
                    levels.index_select(0, Tensors.of(0, 1, 150, 298)).contiguous());
            assertThat(rows).isEqualTo(golden.doubles("out.pil_bicubic_rows"));
        }
    }

    private static Picture picture(Tensor hwc) {
        long[] values = Tensors.longs(hwc);
        byte[] rgb = new byte[values.length];
        for (int i = 0; i < rgb.length; i++) {
            rgb[i] = (byte) values[i];
        }
        return new Picture((int) hwc.size(1), (int) hwc.size(0), rgb);
    }

    @ParameterizedTest
    @EnumSource(ResizeMode.class)
    void everyModeKeepsAnEvenPictureEvenAndItsRange(ResizeMode mode) {
        byte[] gray = new byte[3 * 20 * 31];
        Arrays.fill(gray, (byte) 200);
        try (Scope scope = Scope.open()) {
            Tensor input = mode.input(List.of(new Picture(20, 31, gray)), ScalarType.Double, Devices.cpu());
            assertThat(input.shape()).containsExactly(1, 3, 299, 299);
            double expected = mode == ResizeMode.PYTORCH ? 2 * 200 / 255.0 - 1 : (200 - 128) / 128.0;
            for (double value : Tensors.doubles(input)) {
                assertThat(value).isCloseTo(expected, within(1e-12));
            }
        }
    }

    @Test
    void picturesOfDifferentSizesMayShareABatch() {
        try (Scope scope = Scope.open()) {
            Picture wide = random(40, 24, 1);
            Picture high = random(24, 40, 2);
            Tensor both = ResizeMode.CLEAN.input(List.of(wide, wide, high), ScalarType.Double, Devices.cpu());
            Tensor alone = ResizeMode.CLEAN.input(List.of(high), ScalarType.Double, Devices.cpu());
            assertThat(both.shape()).containsExactly(3, 3, 299, 299);
            assertThat(Tensors.doubles(both.select(0, 2))).isEqualTo(Tensors.doubles(alone.select(0, 0)));
        }
    }

    /** All but the two bicubic ones in float, which are the same rule under the names of two tools. */
    @Test
    void modesDiffer() {
        try (Scope scope = Scope.open()) {
            List<Picture> pictures = List.of(random(24, 40, 2));
            Map<ResizeMode, Tensor> inputs = new EnumMap<>(ResizeMode.class);
            for (ResizeMode mode : ResizeMode.values()) {
                inputs.put(mode, mode.input(pictures, ScalarType.Double, Devices.cpu()));
            }
            Set<ResizeMode> bicubic = EnumSet.of(ResizeMode.CLEAN, ResizeMode.K_DIFFUSION);
            inputs.forEach((a, x) -> inputs.forEach((b, y) -> {
                if (a != b && !bicubic.equals(EnumSet.of(a, b))) {
                    assertThat(x.sub(y).abs().max().item_double())
                            .as(a + " and " + b)
                            .isGreaterThan(1e-3);
                }
            }));
        }
    }

    private static Picture random(int width, int height, long seed) {
        byte[] rgb = new byte[3 * width * height];
        new SplittableRandom(seed).nextBytes(rgb);
        return new Picture(width, height, rgb);
    }
}
