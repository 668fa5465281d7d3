package org.mezzotint.bench;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import org.junit.jupiter.api.Test;
import org.mezzotint.io.InputException;

class CurvesTest {
    @Test
    void aCurveIsOneColumnOverAnotherInPictures() {
        assertThat(Curves.curve("step,train_loss,val_loss\n100,0.5,0.25\n200,0.4,0.2\n", "step", "val_loss", 64))
                .containsExactly(java.util.Map.entry(6400L, 0.25), java.util.Map.entry(12800L, 0.2));
    }

    @Test
    void aMissingColumnIsNamed() {
        assertThatThrownBy(() -> Curves.curve("step,loss\n", "step", "val_loss", 64))
                .isInstanceOf(InputException.class)
                .hasMessage("a curve needs the columns step and val_loss, got [step, loss]");
    }
}
