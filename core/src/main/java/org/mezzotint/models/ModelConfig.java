package org.mezzotint.models;

import com.fasterxml.jackson.annotation.JsonIgnore;
import com.fasterxml.jackson.annotation.JsonSubTypes;
import com.fasterxml.jackson.annotation.JsonTypeInfo;
import java.util.List;
import java.util.OptionalLong;
import org.mezzotint.models.layers.Init;

/** What a network is built from. Each kind of model has one record; {@code type} names it in files. */
@JsonTypeInfo(use = JsonTypeInfo.Id.NAME, property = "type")
@JsonSubTypes({
    @JsonSubTypes.Type(value = DiTConfig.class, name = "dit"),
    @JsonSubTypes.Type(value = HDiTConfig.class, name = "hdit"),
    @JsonSubTypes.Type(value = DdpmPlusPlusConfig.class, name = "ddpmpp"),
    @JsonSubTypes.Type(value = DiffiTConfig.class, name = "diffit"),
    @JsonSubTypes.Type(value = ImageDiffiTConfig.class, name = "diffit-image"),
    @JsonSubTypes.Type(value = SimpleDiffusionUNetConfig.class, name = "simple-unet"),
    @JsonSubTypes.Type(value = UViTConfig.class, name = "uvit")
})
public sealed interface ModelConfig
        permits DiTConfig,
                HDiTConfig,
                DiffiTConfig,
                ImageDiffiTConfig,
                DdpmPlusPlusConfig,
                SimpleDiffusionUNetConfig,
                UViTConfig {
    /** More blocks than any network has. */
    int MOST_BLOCKS = 4096;

    /**
     * Picture height H.
     *
     * @return pixels (or latent cells)
     */
    int height();

    /**
     * Picture width W.
     *
     * @return pixels (or latent cells)
     */
    int width();

    /**
     * Picture channels C.
     *
     * @return at least 1
     */
    int channels();

    /**
     * Channels of the network's output: C, or 2C with a learned variance code behind the prediction.
     *
     * @return C or 2C
     */
    @JsonIgnore
    int outputChannels();

    /**
     * Number of classes.
     *
     * @return 0 for an unconditional network
     */
    int numClasses();

    /**
     * Whether label {@code numClasses} stands for "no class", which guidance needs.
     *
     * @return true if the network has a null class
     */
    boolean nullClass();

    /** What a network is told about the noise. */
    enum TimeInput {
        /** The schedule's own time: a level's number, or 1000·t. */
        TIMESTEP,
        /** The noise in units of clean pictures, above 0. */
        SIGMA,
        /** c_noise of a frame (arXiv:2206.00364v2, table 1); without a frame the schedule's own time. */
        NOISE,
        /** The log signal-to-noise ratio λ = −2·ln σ. */
        LOG_SNR
    }

    /**
     * What the network's time input is.
     *
     * @return named {@code t}, {@code sigma} or {@code logSnr} in files
     */
    @JsonIgnore
    TimeInput timeInput();

    /**
     * Inputs that the network takes but does not need.
     *
     * @return names
     */
    @JsonIgnore
    List<String> optionalInputs();

    /**
     * The inputs that the network needs beside x and t.
     *
     * @return names, such as {@code class}
     */
    @JsonIgnore
    List<String> inputs();

    /**
     * Tensors that another number of classes or another size of pictures gives another shape.
     *
     * @param classes name of the table of labels, a row a class and one for "no class"; empty without classes
     * @param positions name of the table of positions; empty without one
     * @param rows of the table of positions
     * @param columns of the table of positions
     */
    record Tables(String classes, String positions, int rows, int columns) {}

    /**
     * Which tensors depend on the data.
     *
     * @return their names
     */
    @JsonIgnore
    Tables tables();

    /**
     * Builds the network.
     *
     * @param init device, precision and initial values
     * @return owned by the caller
     */
    Model create(Init init);

    /**
     * What the network costs.
     *
     * @return counts for one picture
     */
    Cost cost();

    /**
     * The multiply-accumulates of one picture without attention's products of queries with keys and of weights with values,
     * where the model's paper counts them so.
     *
     * @return empty where the paper counts all, as {@link Cost#macs()} does
     */
    @JsonIgnore
    default OptionalLong macsWithoutAttentionProducts() {
        return OptionalLong.empty();
    }

    /**
     * Refuses a number of blocks that no network has, before so many are built.
     *
     * @param name of the setting
     * @param value given
     * @throws IllegalArgumentException below 1 or above 4096
     */
    static void checkBlocks(String name, int value) {
        if (value < 1 || value > MOST_BLOCKS) {
            throw new IllegalArgumentException(
                    name + " must be " + (value < 1 ? "at least 1" : "at most " + MOST_BLOCKS) + ", got " + value);
        }
    }
}
