import hashlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from algan_ad.data.demo import make_demo
from algan_ad.data.demo_part import DEFECTS, VISIBLE, make_part
from algan_ad.data.layouts import open_dataset
from algan_ad.runtime.errors import InputError

SMALL = {"size": 32, "n_train": 4, "n_good": 2, "n_per_defect": 2}


def content(folder: Path) -> dict[str, str]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}


def test_layout(tmp_path):
    dataset = open_dataset(make_demo(tmp_path / "parts", **SMALL))
    assert (dataset.layout, len(dataset.train), len(dataset.test), dataset.warnings) == ("mvtec", 4, 12, ())
    assert {item.defect for item in dataset.test} == {"good", "chip", "crack", "hole", "scratch", "stain"}
    assert all(bool(item.masks) == bool(item.label) for item in dataset.test)
    assert Image.open(dataset.train[0].path).size == (32, 32)
    assert not list(tmp_path.glob(".*"))


def test_same_seed_same_bytes(tmp_path):
    first = content(make_demo(tmp_path / "a", 3, **SMALL))
    assert content(make_demo(tmp_path / "b", 3, **SMALL)) == first
    other = content(make_demo(tmp_path / "c", 4, **SMALL))
    assert all(other[name] != digest for name, digest in first.items())


def test_pictures_do_not_depend_on_their_number(tmp_path):
    few = content(make_demo(tmp_path / "few", **SMALL))
    many = content(make_demo(tmp_path / "many", **SMALL | {"n_train": 6}))
    assert {name: many[name] for name in few if name.endswith(".png")}.items() <= few.items()


def test_no_two_pictures_are_alike(tmp_path):
    digests = list(content(make_demo(tmp_path / "parts", **SMALL)).values())
    assert len(set(digests)) == len(digests)


@pytest.mark.parametrize("defect", DEFECTS)
@pytest.mark.parametrize("seed", range(4))
def test_mask_is_what_the_defect_changes(defect, seed):
    clean, no_mask = make_part((seed, 0), 64)
    picture, mask = make_part((seed, 0), 64, defect)
    assert no_mask.max() == 0
    assert set(np.unique(mask)) == {0, 255}
    change = np.abs(picture.astype(int) - clean).max(axis=-1)
    assert change[mask == 0].max() <= VISIBLE
    assert change[mask == 255].mean() > 3 * VISIBLE  # plain to see
    assert 0.002 < (mask > 0).mean() < 0.15


@pytest.mark.parametrize("defect", DEFECTS)
def test_defects_show_at_32_pixels(defect):
    for seed in range(5):
        clean, picture = (
            np.asarray(Image.fromarray(make_part((seed, 1), 128, kind)[0]).resize((32, 32)), int)
            for kind in (None, defect)
        )
        assert np.abs(picture - clean).max() > 25


def test_good_parts_vary():
    parts = np.stack([make_part((0, i), 64)[0] for i in range(12)]).astype(float)
    assert 2 < parts.mean(axis=(1, 2, 3)).std() < 20  # light
    assert parts.std(axis=0).mean() > 5  # texture and place


def test_made_already_is_left_alone(tmp_path):
    folder = make_demo(tmp_path / "parts", **SMALL)
    kept = folder / "train" / "good" / "000.png"
    before = kept.stat().st_mtime_ns
    assert make_demo(folder, **SMALL) == folder
    assert kept.stat().st_mtime_ns == before


def test_an_empty_folder_is_filled(tmp_path):
    (tmp_path / "empty ü").mkdir()
    assert len(open_dataset(make_demo(tmp_path / "empty ü", **SMALL)).train) == 4


def test_other_content_is_never_touched(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(InputError, match="holds something else already"):
        make_demo(tmp_path, **SMALL)
    with pytest.raises(InputError, match="is a file"):
        make_demo(tmp_path / "notes.txt", **SMALL)
    folder = make_demo(tmp_path / "parts", **SMALL)
    with pytest.raises(InputError, match="holds something else already"):
        make_demo(folder, 1, **SMALL)


@pytest.mark.parametrize("change", [{"seed": -1}, {"size": 16}, {"n_train": 0}, {"n_per_defect": 0}])
def test_numbers_out_of_range(tmp_path, change):
    with pytest.raises(InputError, match="expected seed >= 0"):
        make_demo(tmp_path / "parts", **SMALL | change)
    assert not list(tmp_path.iterdir())


def test_a_failure_leaves_nothing_behind(tmp_path, monkeypatch):
    def fail(*_):
        raise RuntimeError("interrupted")

    monkeypatch.setattr("algan_ad.data.demo.make_part", fail)
    with pytest.raises(RuntimeError):
        make_demo(tmp_path / "parts", **SMALL)
    assert not list(tmp_path.iterdir())
