package org.mezzotint.io;

import java.io.BufferedOutputStream;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.FileVisitResult;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.SimpleFileVisitor;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.BasicFileAttributes;
import java.util.List;
import java.util.UUID;
import java.util.stream.Stream;

/**
 * Files and folders that appear complete or not at all, also when the power fails: written beside the target under a
 * hidden name {@code .NAME.RANDOM.tmp}, forced to the disk, then renamed.
 */
public final class AtomicFiles {
    private AtomicFiles() {}

    /** Writes the content of a file. */
    @FunctionalInterface
    public interface Writer {
        /**
         * Writes everything.
         *
         * @param out buffered; the caller closes it
         * @throws IOException if writing fails
         */
        void writeTo(OutputStream out) throws IOException;
    }

    /**
     * Writes a file, replacing an older one. On any failure the target is as before and no temporary is left.
     *
     * @param target the file; its folder must exist
     * @param writer writes the content
     * @throws InputException if the file cannot be written
     */
    public static void write(Path target, Writer writer) {
        try (Pending pending = Pending.open(target)) {
            writer.writeTo(pending.out());
            pending.commit();
        } catch (IOException e) {
            throw new InputException(InputException.message("write", target, e), e);
        }
    }

    /**
     * Writes a text as UTF-8, like {@link #write}.
     *
     * @param target the file; its folder must exist
     * @param text the content
     * @throws InputException if the file cannot be written
     */
    public static void writeString(Path target, String text) {
        write(target, out -> out.write(text.getBytes(StandardCharsets.UTF_8)));
    }

    /**
     * Makes a hidden folder beside the target, to be filled and then published.
     *
     * @param target the folder that is wanted in the end
     * @return the new empty folder
     * @throws InputException if it cannot be made
     */
    public static Path temporaryDirectory(Path target) {
        Path temporary = temporaryFor(target);
        try {
            return Files.createDirectory(temporary);
        } catch (IOException e) {
            throw new InputException(InputException.message("write", target, e), e);
        }
    }

    /**
     * Forces every file of a folder to the disk, then renames the folder.
     *
     * @param temporary the filled folder, from {@link #temporaryDirectory}
     * @param target its new name, which must not exist
     * @throws InputException if the target exists or the folder cannot be renamed; the temporary folder stays
     */
    public static void publishDirectory(Path temporary, Path target) {
        if (Files.exists(target, LinkOption.NOFOLLOW_LINKS)) {
            throw new InputException("cannot write " + target + ": it exists already");
        }
        try {
            Files.walkFileTree(temporary, new SimpleFileVisitor<>() {
                @Override
                public FileVisitResult visitFile(Path file, BasicFileAttributes attributes) throws IOException {
                    if (attributes.isRegularFile()) {
                        try (FileChannel channel = FileChannel.open(file, StandardOpenOption.WRITE)) {
                            channel.force(true);
                        }
                    }
                    return FileVisitResult.CONTINUE;
                }

                @Override
                public FileVisitResult postVisitDirectory(Path folder, IOException failure) throws IOException {
                    if (failure != null) {
                        throw failure;
                    }
                    forceDirectory(folder);
                    return FileVisitResult.CONTINUE;
                }
            });
            Files.move(temporary, target, StandardCopyOption.ATOMIC_MOVE);
        } catch (IOException e) {
            throw new InputException(InputException.message("write", target, e), e);
        }
        forceDirectory(parent(target));
    }

    /**
     * Removes what interrupted writers left: files and folders named {@code .*.tmp} directly in a folder.
     *
     * @param directory the folder; nothing happens if it does not exist
     * @throws InputException if something cannot be removed
     */
    public static void removeTemporaries(Path directory) {
        if (!Files.isDirectory(directory)) {
            return;
        }
        List<Path> leftovers;
        try (Stream<Path> entries = Files.list(directory)) {
            leftovers = entries.filter(AtomicFiles::isTemporary).toList();
        } catch (IOException e) {
            throw new InputException(InputException.message("read", directory, e), e);
        }
        leftovers.forEach(AtomicFiles::deleteRecursively);
    }

    /**
     * Removes a file or a folder with everything in it. Links are removed, not followed.
     *
     * @param path what to remove; nothing happens if it does not exist
     * @throws InputException if something cannot be removed
     */
    public static void deleteRecursively(Path path) {
        if (!Files.exists(path, LinkOption.NOFOLLOW_LINKS)) {
            return;
        }
        try {
            Files.walkFileTree(path, new SimpleFileVisitor<>() {
                @Override
                public FileVisitResult visitFile(Path file, BasicFileAttributes attributes) throws IOException {
                    Files.delete(file);
                    return FileVisitResult.CONTINUE;
                }

                @Override
                public FileVisitResult postVisitDirectory(Path folder, IOException failure) throws IOException {
                    if (failure != null) {
                        throw failure;
                    }
                    Files.delete(folder);
                    return FileVisitResult.CONTINUE;
                }
            });
        } catch (IOException e) {
            throw new InputException(InputException.message("remove", path, e), e);
        }
    }

    private static boolean isTemporary(Path path) {
        String name = path.getFileName().toString();
        return name.startsWith(".") && name.endsWith(".tmp");
    }

    private static Path temporaryFor(Path target) {
        String random = UUID.randomUUID().toString().substring(0, 8);
        return target.resolveSibling("." + target.getFileName() + "." + random + ".tmp");
    }

    private static Path parent(Path target) {
        Path parent = target.toAbsolutePath().getParent();
        return parent == null ? target.toAbsolutePath() : parent;
    }

    /** Makes a rename durable. Windows cannot open folders: there the file system's journal has to do. */
    private static void forceDirectory(Path folder) {
        try (FileChannel channel = FileChannel.open(folder, StandardOpenOption.READ)) {
            channel.force(true);
        } catch (IOException e) {
            // Not supported here; the rename itself was atomic.
        }
    }

    /** A file in the making, for writers that cannot be one callback. Closing without commit removes it. */
    static final class Pending implements AutoCloseable {
        private final Path target;
        private final Path temporary;
        private final FileOutputStream file;
        private final OutputStream out;
        private boolean closed;

        private Pending(Path target, Path temporary, FileOutputStream file) {
            this.target = target;
            this.temporary = temporary;
            this.file = file;
            this.out = new BufferedOutputStream(file, 1 << 16);
        }

        static Pending open(Path target) throws IOException {
            // Not createTempFile: its files are readable by the owner only, also after the rename.
            Path temporary = Files.createFile(temporaryFor(target));
            try {
                // A plain stream, because an interrupted thread closes channels in the middle of a file.
                return new Pending(target, temporary, new FileOutputStream(temporary.toFile()));
            } catch (IOException e) {
                Files.deleteIfExists(temporary);
                throw e;
            }
        }

        OutputStream out() {
            return out;
        }

        void commit() throws IOException {
            out.flush();
            file.getFD().sync();
            file.close();
            Files.move(temporary, target, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
            closed = true;
            forceDirectory(parent(target));
        }

        @Override
        public void close() throws IOException {
            if (!closed) {
                closed = true;
                try {
                    file.close();
                } finally {
                    Files.deleteIfExists(temporary);
                }
            }
        }
    }
}
