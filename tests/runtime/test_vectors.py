import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from algan_ad.runtime import vectors
from algan_ad.runtime.errors import InputError, MissingExtra
from algan_ad.runtime.vectors import Table, read_labels, read_table

X = np.array([[1.0, 2.5, -3.0], [4.0, 5.0, 6e10]])


@pytest.fixture
def warned(monkeypatch) -> list[str]:
    said: list[str] = []
    monkeypatch.setattr(vectors, "log", said.append)
    return said


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def save_npz(path: Path, **arrays: np.ndarray) -> Path:
    np.savez(path, **arrays)
    return path


@pytest.mark.parametrize("suffix", ["npy", "npz", "csv", "parquet"])
def test_every_format_gives_the_same_numbers(tmp_path, suffix):
    path = tmp_path / f"teil 1 größe.{suffix}"
    table = pd.DataFrame(X, columns=["a", "b", "c"])
    writers = {
        "npy": lambda: np.save(path, X),
        "npz": lambda: np.savez(path, X=X, y=[0, 1]),
        "csv": lambda: table.to_csv(path, index=False),
        "parquet": lambda: table.to_parquet(path),
    }
    writers[suffix]()
    for source in (path, str(path)):
        found = read_table(source).vectors
        np.testing.assert_array_equal(found, X)
        assert found.dtype == np.float64


@pytest.mark.parametrize("values", [X.astype(np.float32), X.astype(int), X.tolist(), pd.DataFrame(X)])
def test_arrays(values):
    np.testing.assert_array_equal(read_table(values).vectors, np.asarray(values, dtype=float))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1,2\n3,4\n", [[1, 2], [3, 4]]),
        ("width,height\n1,2\n", [[1, 2]]),
        ("1;2\n3;4", [[1, 2], [3, 4]]),
        ("a\tb\n1e3\t-2\n", [[1000, -2]]),
        ("\ufeffa,b\n1,2\n", [[1, 2]]),
        ("7\n8\n", [[7], [8]]),
        ('"a","b"\n1,2\n', [[1, 2]]),
    ],
)
def test_csv_with_and_without_header(tmp_path, text, expected):
    np.testing.assert_array_equal(read_table(write(tmp_path / "t.csv", text)).vectors, expected)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 1e300])
def test_numbers_that_are_not_finite_in_float32(bad):
    values = X.copy()
    values[1, 2] = bad
    with pytest.raises(InputError, match=rf"1 values are missing.*first is {re.escape(str(bad))} in row 2, column 3"):
        read_table(values)


def test_the_name_of_the_column_is_told(tmp_path):
    path = write(tmp_path / "t.csv", "width,height\n1,2\n3,\n")
    with pytest.raises(InputError, match=r"t.csv: 1 values are missing.*row 2, column 'height'"):
        read_table(path)


def test_names_of_the_columns(tmp_path):
    table = pd.DataFrame(X, columns=["größe", "b", "c"])
    table.to_csv(tmp_path / "t.csv", index=False)
    table.to_parquet(tmp_path / "t.parquet")
    for name in ("t.csv", "t.parquet"):
        assert read_table(tmp_path / name).columns == ("größe", "b", "c")
    np.save(tmp_path / "t.npy", X)
    for source in (X, tmp_path / "t.npy", save_npz(tmp_path / "t.npz", X=X), write(tmp_path / "u.csv", "1,2\n3,4\n")):
        assert read_table(source).columns is None


def test_two_columns_of_one_name(tmp_path):
    with pytest.raises(InputError, match=r"t\.csv: .*two columns are named 'a'"):
        read_table(write(tmp_path / "t.csv", "a,b,a\n1,2,3\n"))


@given(st.permutations(range(4)))
def test_columns_are_matched_by_name(order):
    names, numbers = ("a", "b", "c", "d"), np.arange(8.0).reshape(2, 4)
    reordered = Table("t.csv", numbers[:, order], tuple(names[i] for i in order))
    np.testing.assert_array_equal(reordered.in_order(names), numbers)


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        (("a", "b", "z"), "missing 'z'; new 'c'$"),
        (("a", "b", "c", "x", "y"), "missing 'x', 'y'$"),
        (("b", "c"), "new 'a'$"),
        (tuple("abc") + tuple(f"n{i}" for i in range(14)), "missing 'n0', .*, 'n9' and 4 more$"),
    ],
)
def test_columns_that_are_missing_or_new(wanted, said):
    with pytest.raises(InputError, match=rf"t\.csv: not the columns that the model was trained on: {said}"):
        Table("t.csv", X, ("a", "b", "c")).in_order(wanted)


def test_without_names_columns_are_taken_by_position(warned):
    np.testing.assert_array_equal(Table("array", X).in_order(("c", "b", "a")), X)
    np.testing.assert_array_equal(Table("array", X).in_order(None), X)
    assert warned == []
    np.testing.assert_array_equal(Table("t.csv", X, ("a", "b", "c")).in_order(None), X)
    assert warned == ["t.csv: its columns are taken by position, because the model was trained without names"]


def test_a_gap_in_the_first_row_is_no_header(tmp_path):
    with pytest.raises(InputError, match="row 1, column 2"):
        read_table(write(tmp_path / "t.csv", "1,,3\n4,5,6\n"))


def test_text_in_a_table(tmp_path):
    path = write(tmp_path / "t.csv", "a,b\n1,2\n3,red\n")
    with pytest.raises(InputError, match=r"row 2, column 'b' holds 'red'; expected numbers only"):
        read_table(path)
    pd.DataFrame({"a": [1, 2], "kind": ["x", "y"]}).to_parquet(tmp_path / "t.parquet")
    with pytest.raises(InputError, match=r"row 1, column 'kind' holds 'x'"):
        read_table(tmp_path / "t.parquet")


def test_a_header_and_nothing_else(tmp_path):
    with pytest.raises(InputError, match=r"t\.csv: no row below its header"):
        read_table(write(tmp_path / "t.csv", "a,b\n"))
    pd.DataFrame({"kind": []}, dtype=object).to_parquet(tmp_path / "t.parquet")
    with pytest.raises(InputError, match=r"t\.parquet: no row below its header"):
        read_table(tmp_path / "t.parquet")


@pytest.mark.parametrize("text", ["1,2\n3,4,5\n", "a,b\n1,2,3\n4,5,6\n", ""])
def test_rows_of_different_width(tmp_path, text):
    with pytest.raises(InputError, match=r"t.csv: cannot be read as csv"):
        read_table(write(tmp_path / "t.csv", text))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (np.zeros(3), r"shape \(3,\); expected \(n, d\)"),
        (np.zeros((2, 2, 2)), r"shape \(2, 2, 2\)"),
        (np.zeros((0, 3)), "at least one row"),
        (np.zeros((3, 0)), "at least one row"),
        ([["a", "b"]], "expected numbers"),
        (np.array([[1, None]], dtype=object), "expected numbers"),
        (np.array([[1j]]), "expected numbers"),
    ],
)
def test_arrays_that_are_no_table(values, message):
    with pytest.raises(InputError, match=message):
        read_table(values)


def test_nothing_is_unpickled(tmp_path):
    np.save(tmp_path / "t.npy", np.array([[1, "a"]], dtype=object), allow_pickle=True)
    with pytest.raises(InputError, match="not a NumPy file of plain numbers"):
        read_table(tmp_path / "t.npy")


@pytest.mark.parametrize("name", ["t.npy", "t.npz", "t.csv", "t.parquet"])
@pytest.mark.parametrize("content", [None, b"", b"\x00\xff\x00 damaged \xfe"])
def test_missing_and_damaged_files(tmp_path, name, content):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=name):
        read_table(tmp_path / name)


def test_truncated_npz(tmp_path):
    path = save_npz(tmp_path / "t.npz", X=X)
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(InputError, match=r"t\.npz"):
        read_table(path)


def test_other_files_and_other_keys(tmp_path):
    with pytest.raises(InputError, match=r"expected a file ending in .npy"):
        read_table(tmp_path / "t.xlsx")
    with pytest.raises(InputError, match="expected an array named 'X', found data"):
        read_table(save_npz(tmp_path / "t.npz", data=X))


def test_constant_columns_are_kept_with_a_warning(warned, tmp_path):
    values = np.array([[1.0, 7, 2], [1, 8, 2]])
    np.testing.assert_array_equal(read_table(values).vectors, values)
    assert warned == ["warning: array: 2 columns never change, the first is 1"]
    read_table(write(tmp_path / "t.csv", "a,b\n1,2\n3,2\n"))
    assert warned[1].endswith("1 columns never change, the first is 'b'")


def test_one_row_is_no_reason_to_warn(warned):
    assert read_table(X[:1]).vectors.shape == (1, 3)
    assert warned == []


def test_labels(tmp_path):
    path = save_npz(tmp_path / "t.npz", X=X, y=np.array([0.0, 1.0]))
    labels = read_labels(path)
    np.testing.assert_array_equal(labels, [0, 1])
    assert labels.dtype == np.int64
    assert read_labels(save_npz(tmp_path / "u.npz", X=X)) is None
    assert read_labels(X) is None
    assert read_labels(tmp_path / "t.csv") is None


@pytest.mark.parametrize("y", [[0], [0, 2], [[0, 1]], ["a", "b"]])
def test_labels_that_do_not_fit(tmp_path, y):
    with pytest.raises(InputError, match="'y' must hold a 0"):
        read_labels(save_npz(tmp_path / "t.npz", X=X, y=np.array(y)))


def test_without_pandas(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "pandas", None)
    with pytest.raises(MissingExtra, match=r"algan-ad\[train\]"):
        read_table(write(tmp_path / "t.csv", "1,2\n"))


@pytest.mark.shared
def test_real_features(shared):
    path = shared / "data" / "mvtec_features_resnet18" / "MVTec-AD_bottle.npz"
    assert read_table(path).vectors.shape == (292, 512)
    assert read_labels(path).sum() == 63
