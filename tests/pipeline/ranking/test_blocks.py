import numpy as np
import pytest

from prefpipe.pipeline.ranking.blocks import on_all_cores, over_blocks


@pytest.mark.parametrize(("count", "block"), [(0, 3), (2, 3), (3, 3), (10, 3)])
def test_blocks_cover_every_number_once(count: int, block: int) -> None:
    seen = np.zeros(count, np.int64)

    def see(part: slice) -> None:
        assert part.stop - part.start <= block
        seen[part] += 1

    over_blocks(count, block, see)
    assert (seen == 1).all()


def test_results_come_in_order_and_errors_come_through() -> None:
    assert on_all_cores(divmod, list(range(50)), [7] * 50) == [divmod(number, 7) for number in range(50)]
    with pytest.raises(ZeroDivisionError):
        on_all_cores(divmod, [1, 2], [1, 0])
