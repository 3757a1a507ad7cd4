"""Fixtures that all tests share: the real data beside the project, one thread, tiny data sets."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

SHARED = Path(__file__).resolve().parents[2] / "shared"


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> None:
    torch = pytest.importorskip("torch")
    torch.set_num_threads(1)


@pytest.fixture
def shared() -> Path:
    """The folder of real data and weights; the test is skipped where it is absent."""
    if not SHARED.is_dir():
        pytest.skip(f"{SHARED.name}/ is not beside the project")
    return SHARED


def part(seed: int, odd: bool = False, size: int = 32) -> NDArray[np.uint8]:
    """A grey plate with noise; an odd one has a dark hole."""
    rng = np.random.default_rng(seed)
    image = np.clip(140 + 12 * rng.normal(size=(size, size, 3)), 0, 255).astype(np.uint8)
    if odd:
        row, column = rng.integers(2, size - 12, 2)
        image[row : row + 10, column : column + 10] = 10
    return image


@pytest.fixture(scope="session")
def pristine_parts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small data set in MVTec layout: 30 good training images, 10 good and 8 odd test images. Not to be changed."""
    root = tmp_path_factory.mktemp("data") / "gute Teile ü"
    wanted = [("train/good", 30, False), ("test/good", 10, False), ("test/hole", 8, True)]
    for group, (name, n, odd) in enumerate(wanted):
        (root / name).mkdir(parents=True)
        for i in range(n):
            Image.fromarray(part(1000 * group + i, odd)).save(root / name / f"{i:03}.png")
    return root


@pytest.fixture
def parts(pristine_parts: Path, tmp_path: Path) -> Path:
    """A copy of the small data set to spoil."""
    return Path(shutil.copytree(pristine_parts, tmp_path / pristine_parts.name))


@pytest.fixture(scope="session")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An .npz of 40 good rows around 0 and 8 odd ones around 9, four columns, labels y. Not to be changed."""
    path = tmp_path_factory.mktemp("tables") / "Maße.npz"
    y = np.repeat([0, 1], [40, 8])
    np.savez(path, X=np.random.default_rng(0).normal(size=(48, 4)) + 9 * y[:, None], y=y)
    return path
