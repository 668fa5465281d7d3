package org.mezzotint.tensor;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import org.bytedeco.javacpp.Pointer;
import org.bytedeco.pytorch.Tensor;
import org.junit.jupiter.api.Test;

class ScopeTest {
    @Test
    void everythingMadeInsideIsFreedAtTheEnd() {
        long before = Pointer.totalCount();
        Tensor first;
        Tensor second;
        try (Scope scope = Scope.open()) {
            first = Tensors.of(1.0, 2.0);
            second = first.add(first);
            assertThat(Pointer.totalCount()).isGreaterThan(before);
            assertThat(Tensors.doubles(second)).containsExactly(2, 4);
        }
        assertThat(first.isNull()).isTrue();
        assertThat(second.isNull()).isTrue();
        assertThat(Pointer.totalCount()).isLessThanOrEqualTo(before);
    }

    @Test
    void aKeptResultBelongsToTheEnclosingScope() {
        long before = Pointer.totalCount();
        Tensor kept;
        Tensor dropped;
        try (Scope outer = Scope.open()) {
            try (Scope inner = Scope.open()) {
                dropped = Tensors.of(1.0);
                kept = inner.keep(dropped.add(dropped));
            }
            assertThat(dropped.isNull()).isTrue();
            assertThat(Tensors.doubles(kept)).containsExactly(2);
        }
        assertThat(kept.isNull()).isTrue();
        assertThat(Pointer.totalCount()).isLessThanOrEqualTo(before);
    }

    @Test
    void withoutAnEnclosingScopeAKeptResultIsTheCallersToClose() {
        long before = Pointer.totalCount();
        Tensor kept;
        try (Scope scope = Scope.open()) {
            kept = scope.keep(Tensors.of(3.0));
        }
        assertThat(Tensors.doubles(kept)).containsExactly(3);
        kept.close();
        assertThat(kept.isNull()).isTrue();
        assertThat(Pointer.totalCount()).isLessThanOrEqualTo(before);
    }

    @Test
    void aResultIsHandedUpThroughSeveralScopes() {
        try (Scope outermost = Scope.open()) {
            Tensor kept;
            try (Scope middle = Scope.open()) {
                try (Scope inner = Scope.open()) {
                    kept = middle(inner);
                }
                middle.keep(kept);
            }
            assertThat(Tensors.doubles(kept)).containsExactly(4);
        }
    }

    private static Tensor middle(Scope inner) {
        return inner.keep(Tensors.of(4.0));
    }

    @Test
    void onlyTheInnermostScopeKeeps() {
        try (Scope outer = Scope.open()) {
            Tensor made = Tensors.of(1.0);
            try (Scope inner = Scope.open()) {
                assertThatThrownBy(() -> outer.keep(made))
                        .isInstanceOf(IllegalStateException.class)
                        .hasMessage("keep() must be called on the innermost scope of this thread");
            }
            assertThat(outer.keep(made)).isSameAs(made);
            made.close();
        }
    }

    @Test
    void aClosedScopeKeepsNothing() {
        Scope closed = Scope.open();
        closed.close();
        try (Scope scope = Scope.open()) {
            Tensor made = Tensors.of(1.0);
            assertThatThrownBy(() -> closed.keep(made)).isInstanceOf(IllegalStateException.class);
        }
    }

    @Test
    void anOwnerKeepsWhatItHoldsAliveAfterItLeftTheStack() {
        long before = Pointer.totalCount();
        Scope owner = Scope.owner();
        Tensor owned = Tensors.of(1.0, 2.0);
        owner.leave();
        try (Scope scope = Scope.open()) {
            Tensor other = Tensors.of(5.0);
            assertThat(Tensors.doubles(owned.add(other))).containsExactly(6, 7);
        }
        assertThat(Tensors.doubles(owned)).containsExactly(1, 2);
        owner.close();
        assertThat(owned.isNull()).isTrue();
        assertThat(Pointer.totalCount()).isLessThanOrEqualTo(before);
    }

    @Test
    void whatIsMadeAfterAnOwnerLeftIsNotItsOwn() {
        Scope owner = Scope.owner();
        owner.leave();
        try (Scope scope = Scope.open()) {
            Tensor made = Tensors.of(1.0);
            owner.close();
            assertThat(Tensors.doubles(made)).containsExactly(1);
        }
    }

    @Test
    void anOwnerClosedBeforeItLeftFreesToo() {
        Tensor owned;
        try (Scope owner = Scope.owner()) {
            owned = Tensors.of(1.0);
        }
        assertThat(owned.isNull()).isTrue();
        try (Scope scope = Scope.open()) {
            Tensor made = scope.keep(Tensors.of(1.0)); // the closed owner is not on the stack any more
            made.close();
        }
    }

    @Test
    void onlyAnOwnerLeavesAndOnlyOnce() {
        try (Scope plain = Scope.open()) {
            assertThatThrownBy(plain::leave)
                    .isInstanceOf(IllegalStateException.class)
                    .hasMessage("leave() is for a scope made by owner() that has not left yet");
        }
        try (Scope owner = Scope.owner()) {
            owner.leave();
            assertThatThrownBy(owner::leave).isInstanceOf(IllegalStateException.class);
        }
    }

    @Test
    void aHeldObjectLivesAsLongAsTheLongerOfItsOwners() {
        Scope holder = Scope.owner();
        holder.leave();
        Tensor held;
        try (Scope scope = Scope.open()) {
            held = holder.hold(Tensors.of(8.0));
        }
        assertThat(Tensors.doubles(held)).containsExactly(8);
        holder.close();
        assertThat(held.isNull()).isTrue();
    }

    @Test
    void closingTwiceDoesNothing() {
        try (Scope outer = Scope.open()) {
            Tensor outside = Tensors.of(1.0);
            Scope scope = Scope.open();
            Tensor twice = scope.keep(Tensors.of(2.0)); // owned by both scopes while the inner one is open
            scope.close();
            scope.close();
            assertThat(Tensors.doubles(twice)).containsExactly(2);
            Scope owner = Scope.owner();
            Tensor owned = outer(owner);
            owner.close();
            owner.close();
            assertThat(owned.isNull()).isTrue();
            assertThat(Tensors.doubles(outside)).containsExactly(1);
        }
    }

    private static Tensor outer(Scope owner) {
        Tensor owned = Tensors.of(3.0);
        owner.leave();
        return owned;
    }

    @Test
    void aScopeBelongsToItsThread() throws InterruptedException {
        try (Scope scope = Scope.open()) {
            Tensor[] elsewhere = new Tensor[1];
            Thread thread = new Thread(() -> elsewhere[0] = Tensors.of(1.0));
            thread.start();
            thread.join();
            scope.close();
            assertThat(elsewhere[0].isNull()).isFalse();
            elsewhere[0].close();
        }
    }

    @Test
    void scopesEndWhenTheirBlockThrows() {
        Tensor[] made = new Tensor[1];
        assertThatThrownBy(() -> {
                    try (Scope scope = Scope.open()) {
                        made[0] = Tensors.of(1.0, 2.0);
                        throw new IllegalArgumentException("thrown inside");
                    }
                })
                .hasMessage("thrown inside");
        assertThat(made[0].isNull()).isTrue();
    }
}
