package org.mezzotint.models.layers;

import static org.assertj.core.api.Assertions.assertThat;

import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.mezzotint.golden.Golden;
import org.mezzotint.tensor.Scope;
import org.mezzotint.tensor.Tensors;

class MapSizeTest {
    @ParameterizedTest
    @ValueSource(ints = {2, 3, 4})
    void averagingAndRepeatingEqualTheReferenceHoweverTheChannelsLie(int k) {
        try (Scope scope = Scope.open();
                Golden golden = Golden.open("simple-diffusion/pooling")) {
            Tensor plain = golden.get("in.x", ScalarType.Double);
            for (Tensor x : new Tensor[] {plain, Conv2d.channelsLast(plain)}) {
                Golden.assertClose(
                        "average", Tensors.doubles(MapSize.average(x, k)), golden.doubles("out.avg_pool_" + k), 1e-14);
                Tensor corner = x.narrow(2, 0, 6).narrow(3, 0, 6);
                Golden.assertClose(
                        "repeat",
                        Tensors.doubles(MapSize.repeat(corner, k)),
                        golden.doubles("out.nearest_up_" + k),
                        1e-14);
            }
            Tensor last = MapSize.average(Conv2d.channelsLast(plain), k);
            assertThat(last.stride(1)).isEqualTo(1); // still channels last
        }
    }
}
