"""COCO's annotations: where they lie, what they draw, and what is wrong with them."""

import copy
import json

import numpy as np
import pytest
from counted import counts

from algan_ad.data.layouts import coco, open_dataset
from algan_ad.data.masks import draw_all
from algan_ad.runtime.errors import InputError

# Width 6, height 8. The compressed run lengths are pycocotools' of the uncompressed ones.
BOX = {"id": 1, "image_id": 0, "category_id": 1, "bbox": [1, 2, 3, 4], "segmentation": []}
POLYGON = {
    "id": 2,
    "image_id": 1,
    "category_id": 2,
    "segmentation": [[0, 0, 2, 0, 2, 2, 0, 2], [4, 4, 6, 4, 6, 8, 4, 8]],
}
LENGTHS = {"id": 3, "image_id": 2, "category_id": 1, "segmentation": {"size": [8, 6], "counts": [1, 2, 6, 3, 36]}}
COMPRESSED = {"id": 4, "image_id": 3, "category_id": 1, "segmentation": {"size": [8, 6], "counts": "1261n0"}}


def content(*annotations, n=6):
    return {
        "images": [{"id": i, "file_name": f"{i}.png", "width": 6, "height": 8} for i in range(n)],
        "categories": [{"id": 1, "name": "scratch"}, {"id": 2, "name": "hole"}],
        "annotations": copy.deepcopy(list(annotations)),
    }


def write(path, value):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(value if isinstance(value, str) else json.dumps(value))


@pytest.fixture
def folder(tmp_path, paint):
    for i in range(6):
        paint(tmp_path / f"{i}.png", i)
    return tmp_path


def drawn(dataset) -> dict[str, np.ndarray]:
    return {item.path.stem: draw_all(item.masks, item.path) for item in dataset.test if item.label}


def test_annotated_is_anomalous(folder):
    write(folder / "annotations.json", content(BOX, POLYGON, LENGTHS, COMPRESSED))
    dataset = open_dataset(folder)
    assert (dataset.layout, dataset.warnings) == ("coco", ())
    assert counts(dataset) == {"train": {"good": 2}, "calibration": {}, "test": {"hole": 1, "scratch": 3}}
    masks = drawn(dataset)
    expected = np.zeros((4, 8, 6), bool)
    expected[0, 2:6, 1:4] = True
    expected[1, 0:2, 0:2] = expected[1, 4:8, 4:6] = True
    expected[2:, 1:3, 0] = expected[2:, 1:4, 1] = True
    for name, mask in enumerate(expected):
        np.testing.assert_array_equal(masks[str(name)], mask, err_msg=str(name))


def test_an_image_with_two_kinds_of_defect(folder):
    write(folder / "annotations.json", content(BOX, BOX | {"id": 9, "category_id": 2, "bbox": [0, 0, 1, 1]}))
    dataset = open_dataset(folder)
    assert [item.defect for item in dataset.test] == ["scratch + hole"]
    assert drawn(dataset)["0"].sum() == 12 + 1


@pytest.mark.parametrize(
    ("lengths", "text"),
    [([0, 1], "01"), ([1, 2, 6, 3, 36], "1261n0"), ([40, 5, 3], "X153"), ([5, 100, 70, 3, 2], "5T3V2oLlM")],
)
def test_compressed_run_lengths(lengths, text):
    """Texts made by the rule of maskApi.c: five bits a character, differences from the fourth on."""
    assert list(coco._decompressed(text)) == lengths


@pytest.mark.parametrize("place", ["images", "images/default", ""])
def test_annotations_in_a_folder_of_their_own(tmp_path, paint, place):
    for i in range(6):
        paint(tmp_path / place / f"{i}.png", i)
    value = content(BOX)
    for each in value["images"] if place == "images/default" else ():
        each["file_name"] = "default/" + each["file_name"]
    write(tmp_path / "annotations/instances_default.json", value)
    assert counts(open_dataset(tmp_path))["train"] == {"good": 5}


@pytest.mark.parametrize(
    ("files", "images"),
    [
        ("{part}/_annotations.coco.json", "{part}"),
        ("annotations/instances_{part}2017.json", "{part}2017"),
        ("annotations/instances_{part}.json", "images/{part}"),
    ],
)
def test_parts(tmp_path, paint, files, images):
    for place, part in enumerate(("train", "val", "test")):
        for i in range(6):
            paint(tmp_path / images.format(part=part) / f"{i}.png", 10 * place + i)
        write(tmp_path / files.format(part=part), content(BOX, POLYGON))
    dataset = open_dataset(tmp_path)
    assert (dataset.layout, dataset.test_apart) == ("coco", True)
    assert counts(dataset) == {
        "train": {"good": 4}, "calibration": {"good": 4}, "test": {"good": 4, "hole": 1, "scratch": 1},
    }  # fmt: skip
    (warning,) = dataset.warnings
    assert warning.startswith("4 anomalous images are left out")


def test_without_a_test_val_is_tested(tmp_path, paint):
    for place, part in enumerate(("train", "valid")):
        for i in range(6):
            paint(tmp_path / part / f"{i}.png", 10 * place + i)
        write(tmp_path / part / "_annotations.coco.json", content(*[BOX] * (part == "valid")))
    dataset = open_dataset(tmp_path)
    assert counts(dataset) == {"train": {"good": 6}, "calibration": {}, "test": {"good": 5, "scratch": 1}}
    assert dataset.warnings == ()


def test_images_in_no_file_are_said(folder, paint):
    write(folder / "annotations.json", content(BOX))
    paint(folder / "extra.png", 7)
    (warning,) = open_dataset(folder).warnings
    assert warning.startswith("1 images are ignored because they are named in no file of annotations")


@pytest.mark.parametrize(
    ("annotation", "message"),
    [
        (BOX | {"image_id": 77}, "annotation 1: its image 77 is not among the images of the file"),
        (BOX | {"category_id": 77}, "annotation 1: its category 77 is not among the categories"),
        (BOX | {"segmentation": [[0, 0, 1, 1]]}, "a polygon of 4 numbers"),
        (BOX | {"segmentation": {"size": [8, 6], "counts": [1, 2]}}, "not those of 6 x 8 pixels"),
        (BOX | {"segmentation": {"size": [8, 6], "counts": [50, -2]}}, "not those of 6 x 8 pixels"),
        (BOX | {"bbox": [1, 2]}, "not as COCO defines it"),
        ({"id": 1, "image_id": 0}, r"not as COCO defines it \(KeyError: 'category_id'\)"),
    ],
)
def test_mistakes_in_annotations(folder, annotation, message):
    write(folder / "annotations.json", content(annotation))
    with pytest.raises(InputError, match=message):
        open_dataset(folder)


def test_mistakes_in_images(folder):
    write(folder / "annotations.json", content(BOX, n=7))
    with pytest.raises(InputError, match=r"6.png: no such image"):
        open_dataset(folder)
    twice = content(BOX)
    twice["images"][1]["file_name"] = "0.png"
    write(folder / "annotations.json", twice)
    with pytest.raises(InputError, match=r"0.png: is named 2 times"):
        open_dataset(folder)
    twice["images"][1]["id"] = 0
    write(folder / "annotations.json", twice)
    with pytest.raises(InputError, match="two images have one id"):
        open_dataset(folder)
    elsewhere = content(BOX)
    elsewhere["images"][0]["file_name"] = "/etc/hostname"
    write(folder / "annotations.json", elsewhere)
    with pytest.raises(InputError, match="hostname lies outside of"):
        open_dataset(folder)
    good = content(BOX)
    good["categories"][0]["name"] = "good"
    write(folder / "annotations.json", good)
    with pytest.raises(InputError, match=r"0.png: anomalous, but of kind 'good'"):
        open_dataset(folder)


def test_a_damaged_file_is_no_reason_to_take_all_images_for_good(folder):
    write(folder / "annotations.json", json.dumps(content(BOX))[:-40])
    with pytest.raises(InputError, match=r"annotations.json: not valid JSON"):
        open_dataset(folder)


def test_several_files_without_parts(folder):
    write(folder / "a.json", content(BOX))
    write(folder / "b.json", content(BOX))
    with pytest.raises(InputError, match=r"several files of annotations \(a.json, b.json\)"):
        open_dataset(folder)


def test_another_json_file_changes_nothing(folder):
    write(folder / "camera.json", {"exposure": 3})
    assert open_dataset(folder).layout == "flat"
