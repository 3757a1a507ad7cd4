import json
import shutil

import pytest
from PIL import Image

from algan_ad.data.check import Part, check
from algan_ad.data.layouts import open_dataset
from algan_ad.data.splits import split


def report_on(root, protocol="normal-only"):
    dataset = open_dataset(root)
    return check(dataset, split(dataset, protocol))


def test_a_clean_set(mvtec):
    report = report_on(mvtec)
    assert (report.unreadable, report.overlaps, report.copies, report.warnings) == ({}, [], [], [])
    assert report.parts == {
        "train": Part(8, 0, 0),
        "calibration": Part(2, 0, 0),
        "validation": Part(0, 0, 0),
        "test": Part(4, 8, 6),
    }
    assert report.defects == {"good": 14, "hole": 2, "scratch": 6}
    assert report.sizes == {"6x8": 22}
    assert report.modes == {"RGB": 22}
    assert json.loads(json.dumps(report.to_dict()))["parts"]["test"]["anomalous"] == 8


def test_protocol_thesis(mvtec):
    report = report_on(mvtec, "thesis")
    assert report.protocol == "thesis"
    assert (report.parts["validation"].normal, report.parts["validation"].anomalous) == (2, 4)


def test_unreadable_images_and_masks(mvtec):
    image, mask = mvtec / "train/good/001.png", mvtec / "ground_truth/scratch/002_mask.png"
    image.write_bytes(b"")
    mask.write_bytes(mask.read_bytes()[:60])
    report = report_on(mvtec)
    assert set(report.unreadable) == {str(image), str(mask)}
    assert "empty" in report.unreadable[str(image)]
    assert report.sizes == {"6x8": 21}


def test_overlaps_include_calibration(mvtec):
    dataset = open_dataset(mvtec)
    used = split(dataset)
    copies = {used.train[0].path: "a copy.png", used.calibration[0].path: "b copy.png"}
    for path, name in copies.items():
        shutil.copy(path, mvtec / "test" / "good" / name)
    report = report_on(mvtec)
    assert sorted(report.overlaps) == sorted(
        (str(path), str(mvtec / "test" / "good" / name)) for path, name in copies.items()
    )


def test_overlaps_include_validation(mvtec):
    """Every anomalous image is there twice; the draw puts some copies into the other half."""
    for path in list((mvtec / "test/scratch").iterdir()):
        shutil.copy(path, path.with_name(f"again {path.name}"))
    report = report_on(mvtec, "thesis")
    assert report.overlaps
    assert all("scratch" in first and "scratch" in second for first, second in report.overlaps)


def test_copies_of_training_images_that_calibrate(mvtec):
    for path in list((mvtec / "train/good").iterdir()):
        shutil.copy(path, path.with_name(f"again {path.name}"))
    report = report_on(mvtec)
    assert report.copies
    assert all("train/good" in path for pair in report.copies for path in pair)
    assert report.overlaps == []


def test_masks_of_another_size(mvtec):
    Image.new("L", (9, 9)).save(mvtec / "ground_truth/scratch/003_mask.png")
    (warning,) = report_on(mvtec).warnings
    assert warning.startswith("1 masks differ in size from their image")
    assert "003_mask.png" in warning


@pytest.mark.shared
def test_real_mtd_is_clean(shared, tmp_path):
    for kind in ("MT_Free", "MT_Fray"):
        files = sorted((shared / "mtd" / kind).iterdir())[:20]
        (tmp_path / kind).mkdir()
        for file in files:
            shutil.copy(file, tmp_path / kind)
    report = report_on(tmp_path)
    assert report.unreadable == {}
    assert report.overlaps == []
    assert report.warnings == ["20 images found, 1344 published"]
    assert report.defects == {"good": 10, "fray": 10}
