"""Small folders of every layout, and the place of the real data."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

Paint = Callable[..., Path]


@pytest.fixture
def paint() -> Paint:
    """Write a picture of random pixels; the same seed gives the same picture."""

    def write(path: Path, seed: int = 0, size: tuple[int, int] = (8, 6)) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng(seed).integers(0, 256, (*size, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(path)
        return path

    return write


@pytest.fixture
def stain() -> Paint:
    """Write a mask of the size of those pictures; `box` (left, upper, right, lower) is marked with `value`."""

    def write(path: Path, box: tuple[int, int, int, int] | None = (1, 1, 4, 3), value: int = 255) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = np.zeros((8, 6), np.uint8)
        if box:
            pixels[box[1] : box[3], box[0] : box[2]] = value
        Image.fromarray(pixels).save(path)
        return path

    return write


@pytest.fixture
def mvtec(tmp_path: Path, paint: Paint) -> Path:
    """10 train/good, 4 test/good, 6 test/scratch with masks, 2 test/hole without."""
    root = tmp_path / "plate"
    for i in range(10):
        paint(root / "train" / "good" / f"{i:03}.png", i)
    for i in range(4):
        paint(root / "test" / "good" / f"{i:03}.png", 100 + i)
    for i in range(6):
        paint(root / "test" / "scratch" / f"{i:03}.png", 200 + i)
        paint(root / "ground_truth" / "scratch" / f"{i:03}_mask.png", 300 + i)
    for i in range(2):
        paint(root / "test" / "hole" / f"{i:03}.png", 400 + i)
    return root


@pytest.fixture
def shared() -> Path:
    """The folder of real data beside the project."""
    folder = Path(__file__).parents[3] / "shared" / "data"
    if not folder.is_dir():
        pytest.skip(f"no real data in {folder}")
    return folder
