package org.mezzotint.train;

import java.util.List;
import java.util.Optional;
import java.util.concurrent.locks.ReadWriteLock;
import java.util.concurrent.locks.ReentrantReadWriteLock;
import java.util.random.RandomGenerator;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.Tensor;
import org.mezzotint.autoencoders.Autoencoder;
import org.mezzotint.autoencoders.Posterior;
import org.mezzotint.data.Dataset;
import org.mezzotint.data.LatentSpace;
import org.mezzotint.io.InputException;
import org.mezzotint.tensor.Scope;
import org.mezzotint.tensor.Tensors;

/**
 * Pictures that are encoded whenever they are read: random flips of the pictures themselves reach the model, at the price of an
 * encoder pass a picture. {@link LatentEncoding} does it once.
 */
public final class EncodedDataset implements Dataset {
    private final Dataset pictures;
    private final Autoencoder autoencoder;
    private final LatentSpace space;
    private final ReadWriteLock use = new ReentrantReadWriteLock();
    private boolean closed;

    /**
     * Puts an autoencoder in front of pictures.
     *
     * @param pictures in [−1, 1], in a size that the autoencoder's factor divides; closed with this
     * @param autoencoder encodes; owned by the caller
     * @throws InputException if sizes or channels do not fit
     */
    public EncodedDataset(Dataset pictures, Autoencoder autoencoder) {
        int factor = autoencoder.config().downFactor();
        if (pictures.height() % factor != 0 || pictures.width() % factor != 0) {
            throw new InputException("height and width must be multiples of the autoencoder's factor " + factor
                    + ", got " + pictures.height() + " and " + pictures.width());
        }
        this.pictures = pictures;
        this.autoencoder = autoencoder;
        space = LatentEncoding.space(autoencoder);
    }

    @Override
    public Optional<LatentSpace> latents() {
        return Optional.of(space);
    }

    @Override
    public int size() {
        return pictures.size();
    }

    @Override
    public int channels() {
        return autoencoder.config().latentChannels();
    }

    @Override
    public int height() {
        return pictures.height() / space.factor();
    }

    @Override
    public int width() {
        return pictures.width() / space.factor();
    }

    @Override
    public List<String> classNames() {
        return pictures.classNames();
    }

    @Override
    public long label(int index) {
        return pictures.label(index);
    }

    /** A sample of the posterior; its numbers are drawn after those of the pictures' own augmentation. */
    @Override
    public List<String> captions(int index) {
        return pictures.captions(index);
    }

    @Override
    public void read(int index, RandomGenerator random, float[] into, int offset) {
        float[] pixels = new float[pictures.channels() * pictures.height() * pictures.width()];
        pictures.read(index, random, pixels, 0);
        use.readLock().lock();
        try {
            if (closed) {
                throw new IllegalStateException("the data set is closed");
            }
            encode(pixels, random, into, offset);
        } finally {
            use.readLock().unlock();
        }
    }

    private void encode(float[] pixels, RandomGenerator random, float[] into, int offset) {
        float[] mean;
        float[] logVariance;
        try (Scope scope = Scope.open();
                NoGradGuard noGrad = new NoGradGuard()) {
            Tensor x = Tensors.of(pixels, 1, pictures.channels(), pictures.height(), pictures.width())
                    .to(autoencoder.device(), autoencoder.precision().storage());
            Posterior posterior = autoencoder.encode(x);
            mean = Tensors.floats(posterior.mean());
            logVariance = posterior instanceof Posterior.Gaussian gaussian
                    ? Tensors.floats(gaussian.logVariance())
                    : new float[0];
        }
        space.write(mean, logVariance, random, height() * width(), into, offset);
    }

    @Override
    public String name(int index) {
        return pictures.name(index);
    }

    /** The pictures', and what they are encoded with. */
    @Override
    public String fingerprint() {
        return space.fingerprint(pictures.fingerprint());
    }

    /** Waits for pictures that are being encoded, so that the autoencoder may be closed afterwards. */
    @Override
    public void close() {
        use.writeLock().lock();
        try {
            closed = true;
            pictures.close();
        } finally {
            use.writeLock().unlock();
        }
    }
}
