package org.mezzotint.io;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class AtomicFilesTest {
    @TempDir
    Path folder;

    @Test
    void replacesAFileAndLeavesNoTemporary() throws IOException {
        Path target = folder.resolve("a.txt");
        AtomicFiles.writeString(target, "old");
        AtomicFiles.writeString(target, "new ä");
        assertThat(Files.readString(target)).isEqualTo("new ä");
        assertThat(names()).containsExactly("a.txt");
    }

    @Test
    void writesBesideTheTargetUntilTheEnd() {
        Path target = folder.resolve("a.txt");
        AtomicFiles.write(target, out -> {
            out.write('x');
            out.flush();
            assertThat(names()).hasSize(1).first().asString().matches("\\.a\\.txt\\.[0-9a-f]+\\.tmp");
        });
        assertThat(names()).containsExactly("a.txt");
    }

    @Test
    void keepsTheOldFileWhenTheDiskIsFull() throws IOException {
        Path target = folder.resolve("a.txt");
        AtomicFiles.writeString(target, "old");
        assertThatThrownBy(() -> AtomicFiles.write(target, out -> {
                    out.write("half".getBytes(StandardCharsets.UTF_8));
                    throw new IOException("No space left on device");
                }))
                .isExactlyInstanceOf(InputException.class)
                .hasMessage("cannot write " + target + ": No space left on device");
        assertThat(Files.readString(target)).isEqualTo("old");
        assertThat(names()).containsExactly("a.txt");
    }

    @Test
    void removesTheTemporaryWhenTheWriterItselfFails() {
        assertThatThrownBy(() -> AtomicFiles.write(folder.resolve("a"), out -> {
                    throw new IllegalStateException("mine");
                }))
                .isInstanceOf(IllegalStateException.class);
        assertThatThrownBy(() -> AtomicFiles.write(folder.resolve("a"), out -> {
                    throw new StackOverflowError();
                }))
                .isInstanceOf(StackOverflowError.class);
        assertThat(names()).isEmpty();
    }

    @Test
    void saysThatAFolderIsMissing() {
        Path target = folder.resolve("missing").resolve("a");
        assertThatThrownBy(() -> AtomicFiles.writeString(target, ""))
                .hasMessage("cannot write " + target + ": no such file or folder");
    }

    @Test
    void refusesToReplaceAFolderByAFile() throws IOException {
        Path target = Files.createDirectories(folder.resolve("a/b")).getParent();
        assertThatThrownBy(() -> AtomicFiles.writeString(target, ""))
                .isInstanceOf(InputException.class)
                .hasMessageStartingWith("cannot write " + target + ": ");
        assertThat(names()).containsExactly("a");
    }

    @Test
    void writesAlsoOnAnInterruptedThread() {
        Thread.currentThread().interrupt();
        try {
            AtomicFiles.writeString(folder.resolve("a"), "x");
        } finally {
            assertThat(Thread.interrupted()).isTrue();
        }
        assertThat(folder.resolve("a")).hasContent("x");
    }

    @Test
    void givesTheFileTheUsualPermissions() throws IOException {
        Path plain = Files.createFile(folder.resolve("plain"));
        AtomicFiles.writeString(folder.resolve("a"), "x");
        assertThat(Files.getPosixFilePermissions(folder.resolve("a"))).isEqualTo(Files.getPosixFilePermissions(plain));
    }

    @Test
    void publishesAFilledFolder() throws IOException {
        Path target = folder.resolve("step-10");
        Path temporary = AtomicFiles.temporaryDirectory(target);
        assertThat(temporary.getFileName().toString()).matches("\\.step-10\\.[0-9a-f]+\\.tmp");
        Files.createDirectory(temporary.resolve("inner"));
        Files.writeString(temporary.resolve("inner").resolve("x"), "1");
        AtomicFiles.publishDirectory(temporary, target);
        assertThat(target.resolve("inner").resolve("x")).hasContent("1");
        assertThat(names()).containsExactly("step-10");
    }

    @Test
    void refusesToPublishOntoAnExistingFolder() throws IOException {
        Path target = Files.createDirectory(folder.resolve("step-10"));
        Path temporary = AtomicFiles.temporaryDirectory(target);
        assertThatThrownBy(() -> AtomicFiles.publishDirectory(temporary, target))
                .hasMessage("cannot write " + target + ": it exists already");
        assertThat(temporary).exists();
    }

    @Test
    void removesOnlyTemporaries() throws IOException {
        Files.createDirectories(folder.resolve(".run.12.tmp/deep/er"));
        Files.writeString(folder.resolve(".run.12.tmp/deep/x"), "");
        Files.writeString(folder.resolve(".a.34.tmp"), "");
        Files.writeString(folder.resolve(".hidden"), "");
        Files.writeString(folder.resolve("b.tmp"), "");
        AtomicFiles.removeTemporaries(folder);
        AtomicFiles.removeTemporaries(folder.resolve("missing"));
        assertThat(names()).containsExactly(".hidden", "b.tmp");
    }

    @Test
    void deletesALinkAndNotWhatItPointsTo() throws IOException {
        Path kept =
                Files.writeString(Files.createDirectory(folder.resolve("kept")).resolve("x"), "1");
        Path doomed = Files.createDirectory(folder.resolve("doomed"));
        Files.createSymbolicLink(doomed.resolve("link"), kept.getParent());
        AtomicFiles.deleteRecursively(doomed);
        AtomicFiles.deleteRecursively(doomed);
        assertThat(doomed).doesNotExist();
        assertThat(kept).exists();
    }

    private List<String> names() {
        try (Stream<Path> files = Files.list(folder)) {
            return files.map(file -> file.getFileName().toString()).sorted().toList();
        } catch (IOException e) {
            throw new AssertionError(e);
        }
    }
}
