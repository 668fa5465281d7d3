package org.mezzotint.models;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.mezzotint.golden.Golden;
import org.mezzotint.golden.GoldenHDiT;

class NamedHDiTTest {
    /** Table 1 with more digits, derived from the shapes. */
    @ParameterizedTest
    @CsvSource({
        "r4, 106, 657, 6341, 1",
        "a, 32.1, 114.0, 1059.9, 0.1",
        "b1, 29.1, 60.2, 184.7, 0.1",
        "b2, 29.1, 60.0, 183.7, 0.1",
        "d, 31.37, 64.72, 198.10, 0.005",
        "e, 31.37, 64.72, 198.10, 0.005"
    })
    void theAblationsCostsAreThePapers(String row, double at128, double at256, double at512, double tolerance) {
        String name = "hdit-ablation-" + row;
        assertThat(macs(name, 0)).isCloseTo(at128, within(tolerance));
        if (!row.equals("r4")) { // one level has nothing to add to
            assertThat(macs(name, 256)).isCloseTo(at256, within(tolerance));
            assertThat(macs(name, 512)).isCloseTo(at512, within(tolerance));
        }
    }

    @ParameterizedTest
    @CsvSource({
        "hdit-s/16, 29.4, 116.39", "hdit-m/16, 68.0, 266.99", "hdit-l/16, 129.5, 507.25",
        "hdit-s/8, 44.4, 133.89", "hdit-m/8, 91.5, 294.43", "hdit-l/8, 163.3, 546.86",
        "hdit-s/4, 59.8, 138.69", "hdit-m/4, 115.3, 301.84", "hdit-l/4, 197.6, 557.42",
        "hdit-imagenet-256, 197.6, 557.42", "hdit-ffhq-1024, 206.1, 85.08", "hdit-ablation-e, 31.4, 117.00"
    })
    void costsAndParametersAreThoseOfTheTables(String name, double macs, double parameters) {
        assertThat(macs(name, 0)).isCloseTo(macs, within(0.05));
        assertThat(NamedHDiT.named(name, 0).cost().parameters() / 1e6).isCloseTo(parameters, within(0.005));
    }

    private static double macs(String name, int size) {
        return NamedHDiT.named(name, size).cost().macs() / 1e9;
    }

    @ParameterizedTest
    @CsvSource({
        "hdit-ablation-e, paper_ablation_e_imagenet128",
        "hdit-ffhq-1024, paper_ffhq1024_85m",
        "hdit-imagenet-256, paper_imagenet256_557m"
    })
    void namesMeanWhatTheReferencesFilesSay(String name, String file) throws java.io.IOException {
        HDiTConfig expected = GoldenHDiT.config(new com.fasterxml.jackson.databind.ObjectMapper()
                .readTree(Golden.path("hdit-params/" + file + ".json").toFile())
                .get("config"));
        HDiTConfig named = NamedHDiT.named(name, 0);
        assertThat(named.levels().stream().map(level -> level.width() + " " + level.depth() + level.attention()))
                .isEqualTo(expected.levels().stream()
                        .map(level -> level.width() + " " + level.depth() + level.attention())
                        .toList());
        assertThat(named.mapping()).isEqualTo(expected.mapping());
        assertThat(named.cost()).isEqualTo(expected.cost());
    }

    @Test
    void aLargerPictureGetsLevelsInFrontAndASmallerOneLosesThem() {
        HDiTConfig large = NamedHDiT.named("hdit-ablation-e", 512);
        assertThat(large.levels()).hasSize(4);
        assertThat(large.levels().subList(0, 3))
                .allMatch(level -> level.equals(large.levels().get(0)));
        assertThat(large.rows(3)).isEqualTo(16);
        HDiTConfig small = NamedHDiT.named("hdit-ffhq-1024", 128);
        assertThat(small.levels()).hasSize(2);
        assertThat(small.rows(1)).isEqualTo(16);
    }

    @Test
    void unknownNamesAndSizesAreRefused() {
        assertThatThrownBy(() -> NamedHDiT.named("hdit-xl", 0))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageStartingWith("model must be one of hdit-ffhq-1024, hdit-imagenet-256, ")
                .hasMessageEndingWith(", got hdit-xl");
        assertThatThrownBy(() -> NamedHDiT.named("hdit-ablation-e", 192))
                .hasMessage("size must be 128 doubled, or halved while more than one level is left, got 192");
    }
}
