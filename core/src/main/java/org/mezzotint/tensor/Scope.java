package org.mezzotint.tensor;

import java.util.Iterator;
import org.bytedeco.javacpp.Pointer;
import org.bytedeco.javacpp.PointerScope;

/**
 * The owner of native memory: every tensor made on this thread while a scope is the innermost one is freed when it closes.
 *
 * <pre>{@code
 * try (Scope scope = Scope.open()) {
 *     Tensor y = network.forward(x, t, cond);
 *     return scope.keep(y.mul(half));          // survives into the enclosing scope, or is the caller's to close
 * }
 * }</pre>
 *
 * <p>A scope belongs to the thread that opened it, and scopes close in the reverse order of opening. Long-lived owners
 * (models, optimisers) use {@link #owner()}. docs/memory.md explains the rules.
 */
public final class Scope implements AutoCloseable {
    private final PointerScope pointers = new PointerScope();
    private boolean owning;

    private Scope() {}

    /**
     * Opens a scope on this thread.
     *
     * @return the scope, to be closed by a try-with-resources statement
     */
    public static Scope open() {
        return new Scope();
    }

    /**
     * Opens a scope that outlives the block that builds it. What is made until {@link #leave()} stays alive until
     * {@link #close()}.
     *
     * @return the scope, open on this thread
     */
    public static Scope owner() {
        Scope scope = new Scope();
        scope.pointers.extend();
        scope.owning = true;
        return scope;
    }

    /** Takes an {@link #owner() owning} scope off this thread's stack and keeps all it holds alive until {@link #close()}. */
    public void leave() {
        if (!owning) {
            throw new IllegalStateException("leave() is for a scope made by owner() that has not left yet");
        }
        owning = false;
        pointers.close();
    }

    /**
     * Lets a result outlive this scope, which must be the innermost one. The result then belongs to the enclosing scope,
     * or, without one, to the caller, who closes it.
     *
     * @param <T> tensor or another native object
     * @param result made inside this scope
     * @return {@code result}
     */
    public <T extends Pointer> T keep(T result) {
        Iterator<PointerScope> scopes = PointerScope.getScopeIterator();
        if (!scopes.hasNext() || scopes.next() != pointers) {
            throw new IllegalStateException("keep() must be called on the innermost scope of this thread");
        }
        if (scopes.hasNext()) {
            scopes.next().attach(result);
        } else {
            result.retainReference();
        }
        return result;
    }

    /**
     * Keeps an object that another scope owns alive until this one closes too. Needs not be the innermost scope, nor open
     * on the stack.
     *
     * @param <T> tensor or another native object
     * @param object alive
     * @return {@code object}
     */
    public <T extends Pointer> T hold(T object) {
        pointers.attach(object);
        return object;
    }

    /** Frees everything that was made inside and not kept. Closing twice does nothing. */
    @Override
    public void close() {
        if (owning) {
            leave();
        }
        pointers.close();
    }
}
