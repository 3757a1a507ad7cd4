"""What follows from the data where the user says nothing."""

from pathlib import Path

import numpy as np
import pytest

from algan_ad.runtime.errors import InputError
from algan_ad.workflows.load import load_model
from algan_ad.workflows.self_configure import derive_method
from algan_ad.workflows.train import train


def test_images_and_tables_take_a_method_each(pristine_parts: Path, table: Path, tmp_path: Path) -> None:
    listed = tmp_path / "list.csv"
    listed.write_text("path,label\na.png,good\n")
    for source in (pristine_parts, str(pristine_parts), listed, np.zeros((3, 8, 8), np.uint8)):
        assert derive_method(source).value == "algan-patch"
    for source in (table, str(table), np.zeros((3, 8))):
        assert derive_method(source).value == "algan-vector"


def test_training_without_a_method(pristine_parts: Path, table: Path, tmp_path: Path) -> None:
    """The model says which method it is, and why."""
    assert train(table).config.method == "algan-vector"
    train(pristine_parts, config={"image_size": 32, "prototypes": 64}, out=tmp_path / "m")
    config = load_model(tmp_path / "m").config
    assert (config.method, config.maps) == ("algan-patch", "own")
    entry = config.plan["method"]
    assert (entry.value, entry.origin) == ("algan-patch", "derived")
    assert entry.reason
    assert "algan-patch" in (tmp_path / "m/README.md").read_text()


def test_settings_of_another_method_are_refused(pristine_parts: Path, tiny_image: object) -> None:
    with pytest.raises(InputError, match="AlganImageConfig is not what algan-patch takes"):
        train(pristine_parts, config=tiny_image)  # type: ignore[arg-type]
