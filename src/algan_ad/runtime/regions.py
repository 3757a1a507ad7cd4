"""The region of interest: the part of every picture that counts."""

from functools import lru_cache
from itertools import groupby

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pydantic import Field, model_validator

from algan_ad.runtime.errors import InputError
from algan_ad.runtime.schema import Schema


class Region(Schema):
    """A mask that is drawn once and laid over every picture, whatever its size."""

    width: int = Field(ge=1, description="of the mask, in pixels")
    height: int = Field(ge=1, description="of the mask, in pixels")
    runs: tuple[int, ...] = Field(description="lengths of runs of pixels outside and inside in turn, row by row")

    @model_validator(mode="after")
    def _runs_fill_the_mask(self) -> "Region":
        if min(self.runs, default=-1) < 0 or sum(self.runs) != self.width * self.height or not sum(self.runs[1::2]):
            raise InputError(f"its runs do not make a mask of {self.width} x {self.height} with pixels inside")
        return self

    @classmethod
    def of(cls, mask: NDArray[np.bool_]) -> "Region":
        """The region of a mask (H, W). Raises InputError for a mask without pixels inside."""
        runs = [(inside, len(list(pixels))) for inside, pixels in groupby(mask.ravel().tolist())]
        lengths = [length for _, length in runs]
        return cls(width=mask.shape[1], height=mask.shape[0], runs=tuple([0, *lengths] if runs[0][0] else lengths))

    def at(self, width: int, height: int) -> NDArray[np.bool_]:
        """The mask (height, width): a pixel lies inside if at least half of it does. Not to be changed."""
        return _laid(self, width, height)


@lru_cache(maxsize=16)
def _laid(region: Region, width: int, height: int) -> NDArray[np.bool_]:
    mask = np.repeat(np.arange(len(region.runs)) % 2 == 1, region.runs).reshape(region.height, region.width)
    return shrunk(mask, width, height)


def shrunk(mask: NDArray[np.bool_], width: int, height: int) -> NDArray[np.bool_]:
    """A mask (h, w) at another size, (height, width): a pixel is marked if at least half of it was."""
    if mask.shape == (height, width):
        return mask
    grey = Image.fromarray(np.where(mask, np.uint8(255), np.uint8(0)))
    return np.asarray(grey.resize((width, height), Image.Resampling.BOX)) >= 128
