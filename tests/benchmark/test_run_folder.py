"""What is left of a run that was killed, and what the next call makes of it."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from algan_ad.benchmark.job import Job
from algan_ad.benchmark.plan_check import runs
from algan_ad.benchmark.plan_files import read_plan
from algan_ad.benchmark.results import Result, ResultsFolder
from algan_ad.benchmark.run import run_plan
from algan_ad.benchmark.run_folder import run_folder, training_folder
from algan_ad.benchmark.sources import Sources
from algan_ad.training import loop

Write = Callable[[str], Path]

PLAN = """
title = "killed"
seeds = [0]
keep = ["scores", "metrics"]
[[methods]]
name = "algan-vector"
settings = { epochs = 6, hidden = 8, z_dim = 4, batch_size = 8 }
[[data]]
name = "made"
"""

# A worker that is killed from within, when the checkpoint of the third epoch has been written.
KILLED = """
import os, signal, sys
from pathlib import Path
from algan_ad.benchmark import run_folder
from algan_ad.benchmark.plan_files import read_plan
from algan_ad.benchmark.run import run_plan
from algan_ad.benchmark.sources import Sources
from algan_ad.training import loop

run_folder.CHECKPOINT_SECONDS = 0.0
save = loop._save
def save_and_die(folder, adversary, selectors, epoch, *rest):
    save(folder, adversary, selectors, epoch, *rest)
    if epoch == 3:
        os.kill(os.getpid(), signal.SIGKILL)
loop._save = save_and_die
plan, data, out = map(Path, sys.argv[1:])
run_plan(read_plan(plan), Sources(data), out, workers=0, device="cpu")
"""


def _go(plan: Path, data: Path, out: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[list[int], Result]:
    """The epochs that were trained, and the result."""
    epochs: list[int] = []
    epoch_of = loop._run_epoch

    def counted(*arguments: Any) -> Any:
        epochs.append(arguments[-1])
        return epoch_of(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(loop, "_run_epoch", counted)
        run_plan(read_plan(plan), Sources(data), out, workers=0, device="cpu")
    (result,) = ResultsFolder(out).read().values()
    return epochs, result


@pytest.fixture
def plan(write_plan: Write) -> Path:
    return write_plan(PLAN)


@pytest.fixture
def killed(plan: Path, data: Path, tmp_path: Path) -> Path:
    """The folder of results that a killed worker leaves."""
    out = tmp_path / "killed"
    done = subprocess.run([sys.executable, "-c", KILLED, plan, data, out], env={**os.environ, "OMP_NUM_THREADS": "1"},
                          capture_output=True, text=True, check=False)  # fmt: skip
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert (out / "results.jsonl").read_bytes() == b""
    assert [path.name for path in (out / "runs").iterdir()] == [runs(read_plan(plan), Sources(data))[0].key]
    return out


def test_a_killed_training_goes_on_to_the_same_scores(
    plan: Path, data: Path, tmp_path: Path, killed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    epochs, expected = _go(plan, data, tmp_path / "whole", monkeypatch)
    assert epochs == [1, 2, 3, 4, 5, 6]
    epochs, result = _go(plan, data, killed, monkeypatch)
    assert epochs == [4, 5, 6]
    assert (result.figures, result.selection) == (expected.figures, expected.selection)
    kept = [out / "files" / result.key for out in (tmp_path / "whole", killed)]
    first, second = (np.load(folder / "scores.npz")["scores"] for folder in kept)
    assert np.array_equal(first, second)
    assert len((kept[1] / "metrics.jsonl").read_text().splitlines()) == 6
    assert not any((killed / "runs").iterdir())


def test_what_was_begun_by_other_code_is_begun_anew(
    plan: Path, data: Path, killed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("algan_ad.benchmark.run_folder.versions", lambda: {"torch": "another"})
    epochs, _ = _go(plan, data, killed, monkeypatch)
    assert epochs == [1, 2, 3, 4, 5, 6]


def test_a_machine_that_does_not_see_the_results_works_in_a_folder_of_its_own(
    plan: Path, data: Path, tmp_path: Path
) -> None:
    spec = runs(read_plan(plan), Sources(data))
    job = Job(tuple(spec), Sources(data), unfinished=tmp_path / "elsewhere" / "runs")
    with run_folder(job) as folder:
        assert folder.is_dir()
        assert not training_folder(folder).resume
    assert not folder.exists()
    assert not (tmp_path / "elsewhere").exists()


def test_a_folder_is_kept_until_its_job_is_another(plan: Path, data: Path, tmp_path: Path) -> None:
    spec = runs(read_plan(plan), Sources(data))
    job = Job(tuple(spec), Sources(data), unfinished=tmp_path)
    for again, resume in ((job, False), (job, True), (replace(job, threads=2), False), (job, False)):
        with run_folder(again) as folder:
            assert folder == tmp_path / job.key
            assert training_folder(folder).resume == resume
            training_folder(folder).path.mkdir(exist_ok=True)
