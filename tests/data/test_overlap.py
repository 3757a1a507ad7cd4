import shutil
from dataclasses import replace

import pytest

from algan_ad.data.layouts import open_dataset
from algan_ad.data.overlap import copies_in_calibration, copies_in_test, same_content
from algan_ad.data.splits import split
from algan_ad.runtime.errors import InputError


@pytest.mark.parametrize("protocol", ["normal-only", "thesis"])
def test_none_where_all_differ(mvtec, protocol):
    parts = split(open_dataset(mvtec), protocol)
    assert copies_in_test(parts) == copies_in_calibration(parts) == []


@pytest.mark.parametrize(("protocol", "part"), [("normal-only", "train"), ("normal-only", "calibration"),
                                                ("thesis", "train"), ("thesis", "calibration"),
                                                ("thesis", "validation")])  # fmt: skip
def test_a_copy_in_the_test_of_any_part_is_one_pair(mvtec, tmp_path, protocol, part):
    parts = split(open_dataset(mvtec), protocol)
    original = getattr(parts, part)[-1]
    copy = replace(original, path=tmp_path / "a copy.png")
    shutil.copy(original.path, copy.path)
    parts = replace(parts, test=(*parts.test, copy))
    assert copies_in_test(parts) == [(original.path, copy.path)]
    assert copies_in_calibration(parts) == []


def test_a_copy_in_the_calibration(mvtec, tmp_path):
    parts = split(open_dataset(mvtec))
    copy = replace(parts.train[3], path=tmp_path / "a copy.png")
    shutil.copy(parts.train[3].path, copy.path)
    parts = replace(parts, calibration=(copy, *parts.calibration))
    assert copies_in_calibration(parts) == [(parts.train[3].path, copy.path)]
    assert copies_in_test(parts) == []


def test_same_file_on_both_sides(mvtec):
    parts = split(open_dataset(mvtec))
    doubled = replace(parts, test=(*parts.test, parts.train[0]))
    assert copies_in_test(doubled) == [(parts.train[0].path, parts.train[0].path)]


def test_equal_size_is_not_equal_content(tmp_path):
    for name, content in (("a", b"123"), ("b", b"124"), ("c", b"123")):
        (tmp_path / name).write_bytes(content)
    assert same_content([tmp_path / "a"], [tmp_path / "b", tmp_path / "c"]) == [(tmp_path / "a", tmp_path / "c")]


def test_missing_file(tmp_path):
    with pytest.raises(InputError, match="gone"):
        same_content([tmp_path / "gone"], [])


def test_empty_files_are_no_copies(tmp_path):
    paths = [tmp_path / name for name in ("a.png", "b.png")]
    for path in paths:
        path.touch()
    assert same_content(paths[:1], paths[1:]) == []
