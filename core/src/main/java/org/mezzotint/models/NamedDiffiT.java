package org.mezzotint.models;

import java.util.List;
import java.util.Locale;
import org.mezzotint.io.NearestName;

/**
 * The published latent models of DiffiT (arXiv:2312.02139v3): latents of 4 channels of Stable Diffusion's autoencoder, 1,000
 * ImageNet classes, patches of 2, width 1152, 16 heads, learned variance.
 *
 * <p>The paper's appendix H.2 says 30 blocks; the authors' code builds 28, and only 28 give the 561 M parameters and 114 G
 * multiply-accumulates of the paper's table 9. {@code diffit-256} and {@code diffit-512} have 28; the other reading is named
 * {@code diffit-256-depth-30} and {@code diffit-512-depth-30}.
 */
public final class NamedDiffiT {
    /** The names. */
    public static final List<String> NAMES =
            List.of("diffit-256", "diffit-512", "diffit-256-depth-30", "diffit-512-depth-30");

    private static final int LATENT_FACTOR = 8;

    private NamedDiffiT() {}

    /**
     * A published configuration.
     *
     * @param name one of {@link #NAMES}
     * @return the configuration
     * @throws IllegalArgumentException for an unknown name
     */
    public static DiffiTConfig named(String name) {
        return switch (name.toLowerCase(Locale.ROOT)) {
            case "diffit-256" -> of(256, 28);
            case "diffit-512" -> of(512, 28);
            case "diffit-256-depth-30" -> of(256, 30);
            case "diffit-512-depth-30" -> of(512, 30);
            default ->
                throw new IllegalArgumentException("unknown model " + name + ", " + NearestName.hint(name, NAMES));
        };
    }

    private static DiffiTConfig of(int picture, int depth) {
        int latent = picture / LATENT_FACTOR;
        return new DiffiTConfig(latent, latent, 4, 2, 1152, depth, 16, 4.0, 1000, true, true, DiffiTConfig.Time.TMSA);
    }
}
