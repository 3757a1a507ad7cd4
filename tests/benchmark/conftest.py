"""A folder of data and a plan that takes seconds."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

QUICK = """
title = "Two neighbours"
seeds = [0, 1]
[[methods]]
name = "knn"
[[methods]]
name = "mahalanobis"
[[data]]
name = "made"
"""


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`made.npz`: 60 good rows around 0 and 12 odd ones around 3; `scant.npz`: too few to train on."""
    root = tmp_path_factory.mktemp("Daten ü")
    y = np.repeat([0, 1], [60, 12])
    X = np.random.default_rng(0).normal(size=(72, 4)) + 3 * y[:, None]
    np.savez(root / "made.npz", X=X, y=y)
    np.savez(root / "scant.npz", X=X[[0, 1, 70, 71]], y=y[[0, 1, 70, 71]])
    return root


@pytest.fixture
def write_plan(tmp_path: Path) -> Callable[[str], Path]:
    """Text -> the file that holds it."""

    def write(text: str, name: str = "plan.toml") -> Path:
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        return path

    return write


@pytest.fixture
def quick(write_plan: Callable[[str], Path]) -> Path:
    return write_plan(QUICK)
