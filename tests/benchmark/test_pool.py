import pytest

from algan_ad.benchmark.pool import Here, open_pool
from algan_ad.runtime.errors import InputError


def test_no_workers_means_this_process() -> None:
    with open_pool(0, None, "cpu") as pool:
        assert isinstance(pool, Here)
        assert pool.free() == 1


@pytest.mark.parametrize(("workers", "address"), [(-1, None), (0, "somewhere:1")])
def test_options_that_cannot_be_are_refused(workers: int, address: str | None) -> None:
    with pytest.raises(InputError, match="--workers"), open_pool(workers, address, "cpu"):
        pass
