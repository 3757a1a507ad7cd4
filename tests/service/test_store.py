"""The store: contents under their hashes, whole, and never removed while they are being committed."""

import errno
import os
from pathlib import Path

import pytest

from algan_ad.runtime.errors import AlganError, InputError
from algan_ad.service.store.blobs import Blobs
from algan_ad.service.store.disk import DiskFloor, check_floor


def test_a_content_is_found_under_its_hash_once(tmp_path: Path) -> None:
    blobs = Blobs(tmp_path / "images")
    with blobs.holding(b"part") as first, blobs.holding(b"part") as second:
        assert first == second
    assert blobs.read(first) == b"part"
    assert list(blobs.names()) == [first]


def test_a_held_content_is_not_removed(tmp_path: Path) -> None:
    blobs = Blobs(tmp_path / "images")
    with blobs.holding(b"part") as name, blobs.holding(b"part"):
        assert not blobs.remove(name)
        assert blobs.path(name).exists()
    assert blobs.remove(name)
    with pytest.raises(InputError, match="not in the store"):
        blobs.read(name)


def test_an_altered_content_is_noticed(tmp_path: Path) -> None:
    blobs = Blobs(tmp_path / "images")
    with blobs.holding(b"part") as name:
        blobs.path(name).write_bytes(b"pard")
    with pytest.raises(InputError, match="altered"):
        blobs.read(name)


@pytest.mark.parametrize("name", ["../../record.sqlite", "", "ab" * 31, "AB" * 32, "ab" * 32 + "\n"])
def test_nothing_outside_the_store_has_a_name(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match="not the hash"):
        Blobs(tmp_path / "images").path(name)


def test_a_full_disk_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    blobs = Blobs(tmp_path / "images")

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(AlganError, match="the disk is full"), blobs.holding(b"part"):
        pass
    assert [each for each in (tmp_path / "images").rglob("*") if each.is_file()] == []


def test_leftovers_of_a_killed_process_are_removed(tmp_path: Path) -> None:
    blobs = Blobs(tmp_path / "images")
    (tmp_path / "images" / "ab" / ".0123456789abcdef").write_bytes(b"half")
    blobs.remove_leftovers()
    assert list(blobs.names()) == []
    assert list((tmp_path / "images" / "ab").iterdir()) == []


def test_the_floor_of_free_disk(tmp_path: Path) -> None:
    check_floor(tmp_path, 0)
    with pytest.raises(DiskFloor, match="in reserve"):
        check_floor(tmp_path, 2**60)
