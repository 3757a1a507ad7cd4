"""The script for a GPU, at a tiny size on the CPU."""

import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

import full_size
from algan_ad.benchmark.report import write_report
from algan_ad.benchmark.results import Result, ResultsFolder
from algan_ad.runtime.errors import InputError
from algan_ad.training import loop

TINY = {"image_size": 32, "width": 4, "z_dim": 8, "epochs": 6, "batch_size": 8, "observe_every": 2}


@pytest.fixture(scope="module")
def packed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Forty good tiles and eight with a crack and its mask, in a pack."""
    root, rng = tmp_path_factory.mktemp("mtd"), np.random.default_rng(0)
    for folder, n in (("MT_Free", 40), ("MT_Crack", 8)):
        (root / folder / "Imgs").mkdir(parents=True)
        for i in range(n):
            tile, mask = rng.integers(90, 130, (40, 40), np.uint8), np.zeros((40, 40), np.uint8)
            if folder == "MT_Crack":
                tile[18:22], mask[18:22] = 0, 255
            Image.fromarray(tile).save(root / folder / "Imgs" / f"{i}.jpg")
            Image.fromarray(mask).save(root / folder / "Imgs" / f"{i}.png")
    out = tmp_path_factory.mktemp("packs") / "mtd.tar"
    full_size.pack(root, out)
    return out


@pytest.fixture(autouse=True)
def checkpoints(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(full_size.run_folder, "CHECKPOINT_SECONDS", None)  # put back after the test
    monkeypatch.setattr(full_size, "CHECKPOINT_SECONDS", 0.0)


def results(out: Path) -> list[Result]:
    found = ResultsFolder(out).read().values()
    return sorted(found, key=lambda result: (result.spec.seed, result.spec.protocol))


def ringing_in_epoch(epoch: int) -> Callable[..., Any]:
    """The loop's epoch, with the alarm of the call in one of them."""
    run_epoch = loop._run_epoch

    def ring(*arguments: Any) -> Any:
        if arguments[-1] == epoch:
            signal.raise_signal(signal.SIGALRM)
        return run_epoch(*arguments)

    return ring


def test_calls_that_end_early_add_up_to_one(packed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    summary = full_size.run(packed, whole, [0, 1], 9, "cpu", TINY)
    assert summary is not None
    assert (len(summary.done), summary.failed) == (4, ())  # two seeds, two protocols
    epochs: list[int] = []
    with monkeypatch.context() as patched:
        patched.setattr(loop, "_run_epoch", ringing_in_epoch(4))
        assert full_size.run(packed, parts, [0, 1], 9, "cpu", TINY) is None
        assert results(parts) == []
    with monkeypatch.context() as patched:
        run_epoch = loop._run_epoch
        patched.setattr(loop, "_run_epoch", lambda *a: epochs.append(a[-1]) or run_epoch(*a))
        assert full_size.run(packed, parts, [0, 1], 9, "cpu", TINY) is not None
    assert epochs == [4, 5, 6, 1, 2, 3, 4, 5, 6]
    for once, again in zip(results(whole), results(parts), strict=True):
        assert once.status == "done"
        assert (once.key, once.figures, once.selection) == (again.key, again.figures, again.selection)
    assert {each.spec.protocol for each in results(parts)} == {"thesis", "normal-only"}
    assert "0.956" in write_report(parts).read_text("utf-8")


def test_without_a_gpu_the_call_is_refused(packed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(InputError, match="device='cuda': not available here"):
        full_size.run(packed, tmp_path / "out", [0], 9, "cuda", full_size.SIZES)


def test_another_folder_is_no_pack(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="holds no MT_"):
        full_size.pack(tmp_path, tmp_path / "mtd.tar")


def test_the_sizes_are_those_of_the_thesis() -> None:
    methods = full_size.plan_of([0], full_size.SIZES).methods
    assert [(each.name, each.settings) for each in methods] == [
        ("algan-image", {"image_size": 256, "width": 64, "epochs": 512, "batch_size": 16})
    ]
