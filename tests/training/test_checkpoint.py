"""Nested state through a file and back; damaged files; a full disk."""

import errno
import os
from pathlib import Path
from typing import Any

import pytest
import torch

from algan_ad.runtime.errors import AlganError, InputError
from algan_ad.training.checkpoint import load_checkpoint, save_checkpoint

STATE: dict[str, Any] = {
    "epoch": 3,
    "nothing": None,
    "adam": {
        "state": {0: {"step": torch.tensor(2.0), "exp_avg": torch.randn(2, 3)}},
        "groups": [{"lr": 1e-4, "betas": [0.0, 0.9]}],
    },
    "flags": torch.tensor([True, False]),
    "half": torch.randn(3).bfloat16(),
    "image": torch.randn(2, 3, 4, 4).to(memory_format=torch.channels_last),
}


def equal(a: Any, b: Any) -> bool:
    if isinstance(a, torch.Tensor):
        return torch.equal(a, b) and a.dtype == b.dtype
    if isinstance(a, dict):
        return list(a) == list(b) and all(equal(a[k], b[k]) for k in a)
    if isinstance(a, list):
        return len(a) == len(b) and all(map(equal, a, b))
    return bool(a == b)


def test_round_trip(tmp_path: Path) -> None:
    save_checkpoint(tmp_path / "c.safetensors", STATE)
    assert equal(load_checkpoint(tmp_path / "c.safetensors"), STATE)


@pytest.mark.parametrize("cut", [0, 7, 200])
def test_a_truncated_file_is_refused(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "c.safetensors"
    save_checkpoint(path, STATE)
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(InputError, match=r"c\.safetensors: not a whole checkpoint"):
        load_checkpoint(path)


def test_a_full_disk_keeps_the_last_good_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "c.safetensors"
    save_checkpoint(path, STATE)
    good = path.read_bytes()

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(AlganError, match="disk is full"):
        save_checkpoint(path, {"epoch": 4})
    assert path.read_bytes() == good
    assert list(tmp_path.iterdir()) == [path]


def test_a_disk_that_is_full_while_tensors_are_written(tmp_path: Path) -> None:
    """safetensors raises an error of its own, no OSError. Here the system allows no file beyond 100 kB."""
    resource = pytest.importorskip("resource")
    path = tmp_path / "c.safetensors"
    save_checkpoint(path, STATE)
    good = path.read_bytes()
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, before[1]))
    try:
        with pytest.raises(AlganError, match=r"c\.safetensors: not saved .*File too large.*intact.*Free some"):
            save_checkpoint(path, {"weights": torch.zeros(100_000)})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert path.read_bytes() == good
    assert list(tmp_path.iterdir()) == [path]


def test_tensors_lie_in_memory_as_torch_s_own_do(tmp_path: Path) -> None:
    """Sums over memory that begins elsewhere differ in their last bits, and a resumed run with them."""
    save_checkpoint(tmp_path / "c.safetensors", {"odd": torch.zeros(3), "after": torch.zeros(2, 36, 4)})
    state = load_checkpoint(tmp_path / "c.safetensors")
    assert [tensor.data_ptr() % 64 for tensor in state.values()] == [0, 0]
