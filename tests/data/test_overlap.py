import shutil
from dataclasses import replace

import pytest

from algan_ad.data.layouts import open_dataset
from algan_ad.data.overlap import overlaps, same_content
from algan_ad.data.splits import split
from algan_ad.runtime.errors import InputError


def test_none_where_all_differ(mvtec):
    assert overlaps(open_dataset(mvtec)) == []


def test_same_bytes_under_two_names(mvtec):
    train, test = mvtec / "train" / "good" / "003.png", mvtec / "test" / "good" / "copy of 3.png"
    shutil.copy(train, test)
    dataset = open_dataset(mvtec)
    assert overlaps(dataset) == [(train, test)]
    assert len(overlaps(split(dataset))) <= 1  # a split has train and test, too


def test_same_file_on_both_sides(mvtec):
    dataset = open_dataset(mvtec)
    doubled = replace(dataset, test=(*dataset.test, dataset.train[0]))
    assert overlaps(doubled) == [(dataset.train[0].path, dataset.train[0].path)]


def test_equal_size_is_not_equal_content(tmp_path):
    for name, content in (("a", b"123"), ("b", b"124"), ("c", b"123")):
        (tmp_path / name).write_bytes(content)
    assert same_content([tmp_path / "a"], [tmp_path / "b", tmp_path / "c"]) == [(tmp_path / "a", tmp_path / "c")]


def test_missing_file(tmp_path):
    with pytest.raises(InputError, match="gone"):
        same_content([tmp_path / "gone"], [])
