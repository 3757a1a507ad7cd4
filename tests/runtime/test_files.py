import errno
import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from algan_ad.runtime.errors import AlganError, InputError
from algan_ad.runtime.files import read_json, remove_leftovers, replacing, sha256, write_json


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "with space" / "größe ü.json"


def entries(path: Path) -> list[str]:
    return sorted(each.name for each in path.parent.iterdir())


def test_a_file_appears_whole_under_its_name(path: Path) -> None:
    with replacing(path) as temporary:
        temporary.write_text("new")
        assert temporary.parent == path.parent
        assert temporary.suffix == ".json"
        assert not path.exists()
    assert path.read_text() == "new"
    assert entries(path) == [path.name]


def test_a_failure_leaves_the_previous_file_and_no_other(path: Path) -> None:
    write_json(path, "old")
    with pytest.raises(KeyboardInterrupt), replacing(path) as temporary:  # noqa: PT012
        temporary.write_text("half")
        raise KeyboardInterrupt
    assert read_json(path) == "old"
    assert entries(path) == [path.name]


def test_what_a_kill_leaves_can_be_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "[x] ü.json"
    others = [path, tmp_path / ".[x] ü-mine.json", tmp_path / ".other-01234567.json"]
    for each in others:
        each.write_text("kept")
    with monkeypatch.context() as patch:  # a killed process cleans nothing up
        patch.setattr(Path, "unlink", lambda *_, **__: None)
        with pytest.raises(KeyboardInterrupt), replacing(path) as temporary:  # noqa: PT012
            temporary.write_text("half")
            raise KeyboardInterrupt
    assert temporary.exists()
    remove_leftovers(path)
    assert sorted(tmp_path.iterdir()) == sorted(others)


def test_of_a_link_the_target_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "store").mkdir()
    target, link, dangling = tmp_path / "store" / "a.json", tmp_path / "link.json", tmp_path / "dangling"
    write_json(target, "old")
    link.symlink_to("store/a.json")
    write_json(link, "new")
    assert link.is_symlink()
    assert read_json(target) == "new"
    dangling.symlink_to("store/deeper/b.json")
    write_json(dangling, "new")
    assert dangling.is_symlink()
    assert read_json(tmp_path / "store/deeper/b.json") == "new"
    assert entries(link) == ["dangling", "link.json", "store"]
    assert entries(target) == ["a.json", "deeper"]


def test_what_a_kill_left_beside_the_target_of_a_link_can_be_removed(tmp_path: Path) -> None:
    (tmp_path / "store").mkdir()
    left = tmp_path / "store" / ".a-01234567.json"
    left.write_text("half")
    (tmp_path / "link").symlink_to("store/a.json")
    remove_leftovers(tmp_path / "link")
    assert not left.exists()


def test_into_a_fifo_the_content_is_written(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo.json"
    os.mkfifo(fifo)
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    write_json(fifo, "new")
    assert os.read(reader, 100) == b'"new"\n'
    os.close(reader)
    assert fifo.is_fifo()
    assert entries(fifo) == [fifo.name]


@pytest.fixture
def no_renaming(monkeypatch: pytest.MonkeyPatch) -> None:
    """A test that fails must not replace a device of the machine it runs on."""

    def refuse(source: Path, target: Path) -> None:
        pytest.fail(f"{target} would have been replaced")

    monkeypatch.setattr(os, "replace", refuse)


@pytest.mark.usefixtures("no_renaming")
def test_a_device_stays_one(tmp_path: Path) -> None:
    device = tmp_path / "null"
    device.symlink_to("/dev/null")
    for path in (device, Path("/dev/null")):
        with replacing(path) as temporary:
            assert temporary.parent not in (tmp_path, Path("/dev"))
            temporary.write_text("new")
    assert device.is_symlink()


@pytest.mark.usefixtures("no_renaming")
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a device of Linux")
def test_a_full_device_says_so() -> None:
    with pytest.raises(AlganError, match=r"/dev/full: the disk is full"):
        write_json(Path("/dev/full"), "new")


@pytest.mark.skipif(not Path("/dev/stdout").exists(), reason="a device of POSIX")
@pytest.mark.parametrize("mode", ["w", "a"])
def test_standard_output_in_a_file_is_written_after_what_is_there(tmp_path: Path, mode: str) -> None:
    script = """
import os
from pathlib import Path
from algan_ad.runtime.files import write_json
os.replace = None  # as above
print("before")
write_json(Path("/dev/stdout"), "new")
print("after")
"""
    path = tmp_path / "out"
    path.write_text("old\n")
    with path.open(mode) as file:
        subprocess.run([sys.executable, "-c", script], stdout=file, check=True, timeout=60)
    assert path.read_text() == "old\n" * (mode == "a") + 'before\n"new"\nafter\n'
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout == 'before\n"new"\nafter\n'


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
@pytest.mark.parametrize("where", ["fsync", "write"])
def test_a_full_disk_leaves_the_previous_file_and_says_so(
    path: Path, where: str, code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_json(path, "old")

    def full(*_: object, **__: object) -> None:
        raise OSError(code, os.strerror(code))

    if where == "fsync":
        monkeypatch.setattr(os, "fsync", full)
    else:
        monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(AlganError, match=r"größe ü.json: the disk is full.*intact") as caught:
        write_json(path, "new")
    assert not isinstance(caught.value, InputError)
    assert read_json(path) == "old"
    assert entries(path) == [path.name]


def test_a_place_that_cannot_be_written_to_is_an_input_error(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def denied(source: Path, target: Path) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", str(source))

    monkeypatch.setattr(os, "replace", denied)
    with pytest.raises(InputError, match=r"größe ü.json: cannot be written \(Permission denied\)"):
        write_json(path, 1)
    assert entries(path) == []


def test_a_file_in_the_place_of_the_folder_is_an_input_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot be written"):
        write_json(tmp_path / "file" / "x.json", 1)


def test_an_error_about_another_matter_keeps_its_type(path: Path) -> None:
    with pytest.raises(OSError, match="not about a file") as caught, replacing(path):
        raise OSError("not about a file")
    assert not isinstance(caught.value, AlganError)


def test_json_round_trip(path: Path) -> None:
    obj = {"ä": [1, 2.5, None, True, "\udcff"], "nested": {"tiny": 5e-324, "third": 1 / 3}}
    write_json(path, obj)
    assert read_json(path) == obj


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_nan_is_never_written(path: Path, value: float) -> None:
    write_json(path, "old")
    with pytest.raises(AlganError, match="NaN or infinite"):
        write_json(path, {"loss": value})
    assert read_json(path) == "old"


@pytest.mark.parametrize("text", ["", '{"a": 1', "not json", '{"a": NaN}', "[Infinity]", "[1e999]", "[" * 10**5])
def test_what_is_not_strict_json_is_an_input_error(tmp_path: Path, text: str) -> None:
    path = tmp_path / "x.json"
    path.write_text(text)
    with pytest.raises(InputError, match=r"x\.json: not valid JSON"):
        read_json(path)


def test_binary_content_is_an_input_error(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="not valid JSON"):
        read_json(path)


def test_a_missing_or_unreadable_file_is_an_input_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    missing = tmp_path / "nothing.json"
    with pytest.raises(InputError, match=r"nothing\.json: no such file"):
        read_json(missing)
    with pytest.raises(InputError, match=r"nothing\.json: cannot be read"):
        sha256(missing)

    def denied(self: Path, **_: object) -> str:
        raise PermissionError(errno.EACCES, "Permission denied", str(self))

    monkeypatch.setattr(Path, "read_text", denied)
    with pytest.raises(InputError, match=r"cannot be read \(Permission denied\)"):
        read_json(missing)


def test_sha256_is_that_of_the_bytes(tmp_path: Path) -> None:
    path = tmp_path / "x"
    content = bytes(range(256)) * 5000
    path.write_bytes(content)
    assert sha256(path) == hashlib.sha256(content).hexdigest()


def test_written_json_is_plain_utf8_that_others_can_read(path: Path) -> None:
    write_json(path, {"a": 1})
    assert json.loads(path.read_bytes()) == {"a": 1}
    assert path.read_bytes().endswith(b"}\n")
