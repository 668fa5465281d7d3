package org.mezzotint.app.cli;

import java.lang.reflect.InvocationHandler;
import java.lang.reflect.Proxy;
import java.util.concurrent.atomic.AtomicInteger;

/**
 * Ctrl-C and SIGTERM: the first asks for a stop at the next good moment, the second ends the process.
 *
 * <p>A shutdown hook would run while the JVM is going down already, with a step to finish and files to write; the JDK's
 * {@code sun.misc.Signal} (module jdk.unsupported) does not. javac warns of that class whatever one says, hence reflection.
 */
final class Interrupts {
    /** The exit code of an interrupted command. */
    static final int EXIT = 130;

    private final AtomicInteger count = new AtomicInteger();

    private Interrupts() {}

    /** Handles the signals from now on. */
    static Interrupts handle() {
        Interrupts interrupts = new Interrupts();
        InvocationHandler onSignal = (proxy, method, arguments) -> {
            if (method.getDeclaringClass() == Object.class) {
                return method.getName().equals("equals")
                        ? proxy == arguments[0]
                        : (Object) System.identityHashCode(proxy);
            }
            if (interrupts.count.incrementAndGet() > 1) {
                Runtime.getRuntime().halt(EXIT);
            }
            return null;
        };
        try {
            Class<?> signal = Class.forName("sun.misc.Signal");
            Class<?> handler = Class.forName("sun.misc.SignalHandler");
            Object proxy = Proxy.newProxyInstance(handler.getClassLoader(), new Class<?>[] {handler}, onSignal);
            for (String name : new String[] {"INT", "TERM"}) {
                signal.getMethod("handle", signal, handler)
                        .invoke(null, signal.getConstructor(String.class).newInstance(name), proxy);
            }
        } catch (ReflectiveOperationException e) {
            throw new IllegalStateException("this JVM has no sun.misc.Signal", e);
        }
        return interrupts;
    }

    boolean requested() {
        return count.get() > 0;
    }
}
