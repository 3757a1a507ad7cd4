"""YOLO's labels: where they lie, what they draw, and what is wrong with them."""

import pytest
from counted import counts

from algan_ad.data.layouts import open_dataset
from algan_ad.data.masks import draw_all
from algan_ad.runtime.errors import InputError

BOX = "0 0.5 0.5 0.5 0.25"  # of 6 x 8 pixels: 3 x 2
POLYGON = "1 0 0 0.5 0 0.5 0.25 0 0.25"


def lay_out(root, paint, images="images", labels="labels", first=0):
    """Five images: a box, a polygon and a box, an empty file, and two without a file."""
    for i in range(5):
        paint(root / images / f"{i}.jpg", first + i)
    (root / labels).mkdir(parents=True)
    for i, text in enumerate([BOX + "\n", f"{POLYGON}\n\n{BOX}", ""]):
        (root / labels / f"{i}.txt").write_text(text)
    return root


def test_labelled_is_anomalous(tmp_path, paint):
    dataset = open_dataset(lay_out(tmp_path, paint))
    assert (dataset.layout, dataset.warnings, dataset.test_apart) == ("yolo", (), False)
    assert counts(dataset) == {"train": {"good": 3}, "calibration": {}, "test": {"class 0": 1, "class 1 + class 0": 1}}
    first, second = (draw_all(item.masks, item.path) for item in dataset.test)
    assert first.shape == (8, 6)
    assert first[3:5].sum() == first.sum() == 6
    assert second.sum() == 6 + 6
    assert second[:2, :3].all()


@pytest.mark.parametrize("place", ["classes.txt", "labels/classes.txt"])
def test_names_of_classes(tmp_path, paint, place):
    lay_out(tmp_path, paint)
    (tmp_path / place).write_text("scratch\nhole\n")
    dataset = open_dataset(tmp_path)
    assert [item.defect for item in dataset.test] == ["scratch", "hole + scratch"]
    assert dataset.warnings == ()


@pytest.mark.parametrize(("images", "labels"), [("images/{}", "labels/{}"), ("{}/images", "{}/labels")])
def test_parts(tmp_path, paint, images, labels):
    for place, part in enumerate(("train", "val", "test")):
        lay_out(tmp_path, paint, images.format(part), labels.format(part), 10 * place)
    dataset = open_dataset(tmp_path)
    assert (dataset.layout, dataset.test_apart) == ("yolo", True)
    assert {part: sum(kinds.values()) for part, kinds in counts(dataset).items()} == {
        "train": 3, "calibration": 3, "test": 5,
    }  # fmt: skip


@pytest.mark.parametrize(
    "line", ["0 0.5 0.5 0.5", "0 0.5 0.5 0.5 0.5 0.9", "0 12 20 30 40", "scratch 0.5 0.5 0.1 0.1", "0 nan 0 0 0", "0"]
)
def test_lines_that_are_no_labels(tmp_path, paint, line):
    lay_out(tmp_path, paint)
    (tmp_path / "labels/0.txt").write_text(f"{BOX}\n{line}\n")
    with pytest.raises(InputError, match=r"0.txt: line 2: .*expected a class and the centre, width and height"):
        open_dataset(tmp_path)


def test_labels_of_no_image_are_counted(tmp_path, paint):
    lay_out(tmp_path, paint)
    (tmp_path / "labels/77.txt").write_text(BOX)
    (warning,) = open_dataset(tmp_path).warnings
    assert warning.startswith("1 label files match no image")


def test_missing_labels_are_no_reason_to_take_all_images_for_good(tmp_path, paint):
    lay_out(tmp_path, paint)
    for file in (tmp_path / "labels").iterdir():
        file.unlink()
    with pytest.raises(InputError, match=r"no label file <image>.txt in labels"):
        open_dataset(tmp_path)
    paint(tmp_path / "images/val/a.png")
    with pytest.raises(InputError, match="labels/val: no such folder"):
        open_dataset(tmp_path)
