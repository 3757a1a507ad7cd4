import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from algan_ad.runtime.errors import InputError
from algan_ad.runtime.regions import Region


@given(arrays(np.bool_, array_shapes(min_dims=2, max_dims=2, max_side=12), elements=st.booleans()))
def test_a_mask_comes_back_as_it_was(mask: np.ndarray) -> None:
    if not mask.any():
        with pytest.raises(InputError, match="pixels inside"):
            Region.of(mask)
        return
    region = Region.model_validate_json(Region.of(mask).model_dump_json())
    np.testing.assert_array_equal(region.at(mask.shape[1], mask.shape[0]), mask)


def test_the_mask_is_laid_over_pictures_of_any_size() -> None:
    mask = np.zeros((4, 8), np.bool_)
    mask[:, 4:] = True
    np.testing.assert_array_equal(Region.of(mask).at(2, 3), [[False, True]] * 3)


@pytest.mark.parametrize("runs", [(), (4,), (1, 2), (-1, 5), (0, 3, 2)])
def test_runs_that_are_no_mask_are_refused(runs: tuple[int, ...]) -> None:
    with pytest.raises(InputError, match="do not make a mask of 2 x 2"):
        Region(width=2, height=2, runs=runs)
