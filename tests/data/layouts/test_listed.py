"""Lists of images: every column, and every mistake in words."""

import numpy as np
import pandas as pd
import pytest
from counted import counts

from algan_ad.data.layouts import is_list, open_dataset
from algan_ad.data.splits import split
from algan_ad.runtime.errors import InputError

FULL = [
    ("img/a 0.png", "good", "", "", "train", "p1"),
    ("img/a 1.png", "0", "", "", "Train", "p1"),
    ("img/ü.png", "ok", "", "", "train", "p2"),
    ("img/c.png", "normal", "", "", "val", "p3"),
    ("img/d.png", "good", "", "", "test", "p4"),
    ("img/e.png", "1", "scratch", "mask/e.png", "test", "p4"),
    ("img/f.png", "Bad", "", "", "test", ""),
]
COLUMNS = ("path", "label", "defect", "mask", "split", "group")


@pytest.fixture
def folder(tmp_path, paint, stain):
    for i, row in enumerate(FULL):
        paint(tmp_path / row[0], i)
    stain(tmp_path / "mask/e.png")
    return tmp_path


def write(folder, rows=FULL, columns=COLUMNS, separator=",", name="parts.csv"):
    lines = [separator.join(columns), *(separator.join(row) for row in rows)]
    (folder / name).write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder / name


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_every_column(folder, separator):
    table = write(folder, separator=separator)
    dataset = open_dataset(table)
    assert (dataset.layout, dataset.name, dataset.root, dataset.warnings) == ("list", "parts", folder, ())
    assert counts(dataset) == {
        "train": {"good": 3},
        "calibration": {"good": 1},
        "test": {"anomalous": 1, "good": 1, "scratch": 1},
    }
    (scratch,) = (item for item in dataset.test if item.defect == "scratch")
    assert (scratch.mask_files, scratch.group) == ((folder / "mask/e.png",), "p4")
    assert next(item for item in dataset.test if item.defect == "anomalous").group is None
    assert open_dataset(folder).items == dataset.items  # the folder that holds it


def test_parquet_says_the_same(folder):
    expected = open_dataset(write(folder)).items
    (folder / "parts.csv").unlink()
    table = pd.DataFrame(FULL, columns=COLUMNS).replace("", None)
    table["label"] = [0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 1.0]
    table.to_parquet(folder / "parts.parquet")
    assert open_dataset(folder).items == expected


def test_path_and_label_are_enough(folder):
    rows = [(row[0], row[1]) for row in FULL]
    dataset = open_dataset(write(folder, rows, ("Path ", " LABEL")))
    assert counts(dataset) == {"train": {"good": 5}, "calibration": {}, "test": {"anomalous": 2}}
    assert not dataset.test_apart


def test_absolute_paths_within_the_folder(folder, monkeypatch):
    table = write(folder, [(str(folder / row[0]), row[1]) for row in FULL], COLUMNS[:2])
    monkeypatch.chdir(folder)
    assert {item.path for item in open_dataset(table.name).items} == {folder.__class__(row[0]) for row in FULL}


def test_columns_of_no_use_are_said(folder):
    rows = [(*row[:2], "x") for row in FULL]
    (warning,) = open_dataset(write(folder, rows, ("path", "label", "groups"))).warnings
    assert warning.startswith("columns are ignored: groups; known: path, label, defect, mask, split, group")


def changed(place: int, column: str, value: str):
    rows = [list(row) for row in FULL]
    rows[place][COLUMNS.index(column)] = value
    return rows


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (changed(1, "label", "scratch"), r"row 2: label 'scratch'; expected one of 0, good, .*column defect"),
        (changed(1, "label", ""), r"row 2: label ''"),
        (changed(2, "path", "img/none.png"), r"row 3: img/none.png: no such file"),
        (changed(2, "path", ""), r"row 3: : no such file|row 3: no path"),
        (changed(2, "path", "../other/a.png"), r"row 3: ../other/a.png lies outside of"),
        (changed(2, "path", "/etc/hostname"), r"row 3: /etc/hostname lies outside of"),
        (changed(2, "path", "img/../img/a 1.png"), r"row 3: .* is in row 2, too; name each image once"),
        (changed(5, "mask", "mask/none.png"), r"row 6: mask/none.png: no such file"),
        (changed(4, "split", "later"), r"row 5: split 'later'; expected one of train"),
        (changed(4, "split", ""), r"row 5: split ''"),
        (changed(0, "defect", "scratch"), r"row 1: label 'good', but defect 'scratch'"),
        (changed(5, "defect", "good"), r"row 6: label '1', but defect 'good'"),
        (changed(4, "group", "p1"), r"group 'p1' is in train and in test"),
        ([*FULL, ("img/a 0.png",)], r"row 8 has 1 fields, expected 6"),
        ([], r"no row below its head"),
    ],
)
def test_mistakes(folder, rows, message):
    table = write(folder, rows)
    with pytest.raises(InputError, match=message) as caught:
        open_dataset(table)
    assert str(table) in str(caught.value)


def test_a_table_without_the_columns_is_no_list(folder):
    table = write(folder, [(row[0], "1") for row in FULL], ("image", "class"))
    assert not is_list(table)
    with pytest.raises(InputError, match=r"is a file; expected a folder .* with the columns path and label"):
        open_dataset(table)


def test_files_that_are_no_tables(folder):
    (folder / "parts.csv").write_bytes("path,label\nü.png,0\n".encode("cp1252"))
    with pytest.raises(InputError, match="cannot be read as csv"):
        open_dataset(folder)
    (folder / "parts.csv").rename(folder / "parts.parquet")
    with pytest.raises(InputError, match="cannot be read as parquet"):
        open_dataset(folder)


def test_two_lists_in_a_folder(folder):
    write(folder)
    write(folder, name="again.csv")
    with pytest.raises(InputError, match=r"several lists \(again.csv, parts.csv\); give one of them"):
        open_dataset(folder)


def test_a_list_beside_good_could_be_either(folder, paint):
    table = write(folder)
    paint(folder / "good/a.png", 99)
    with pytest.raises(InputError, match=r"could be flat \(.*\) and list \(.*\); leave one"):
        open_dataset(folder)
    assert open_dataset(table).layout == "list"


def test_other_tables_beside_images_change_nothing(folder, paint):
    write(folder, [("1", "2")], ("width", "height"), name="sizes.csv")
    paint(folder / "good/a.png", 99)
    assert open_dataset(folder).layout == "flat"


def test_groups_of_a_list_are_kept_together(folder, paint):
    rows = []
    for group in range(20):
        for i in range(3):
            paint(folder / f"all/{group}-{i}.png", 3 * group + i)
            rows.append((f"all/{group}-{i}.png", str(int(group % 5 == 0 and i == 0)), f"p{group}"))
    parts = split(open_dataset(write(folder, rows, ("path", "label", "group"))))
    groups = [{item.group for item in part} for part in (parts.train, parts.calibration, parts.test)]
    assert np.sum([len(each) for each in groups]) == len(set.union(*groups)) == 20
    assert sum(item.label for item in parts.test) == 4
