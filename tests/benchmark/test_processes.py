"""The command line as a user has it: several processes, some of them killed."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from algan_ad.benchmark.results import Result, ResultsFolder

Write = Callable[[str], Path]

# The second run ends only by a kill, however busy the machine is.
ENDLESS = """
title = "endless"
seeds = [0]
[[methods]]
name = "knn"
[[methods]]
name = "algan-vector"
settings = { epochs = 100_000_000, hidden = 8, z_dim = 4, batch_size = 4 }
[[data]]
name = "made"
"""


def _start(*words: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "algan_ad.cli", *map(str, words)], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        text=True, env={**os.environ, "OMP_NUM_THREADS": "1"}, start_new_session=True,
        # Whoever starts the tests in the background has them ignore Ctrl-C, which a child would inherit.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509
    )  # fmt: skip


def _run(plan: Path, data: Path, out: Path, workers: int) -> subprocess.Popen[str]:
    return _start("benchmark", "run", plan, "--data", data, "--out", out, "--workers", workers, "--json")


def _summary(process: subprocess.Popen[str]) -> dict[str, Any]:
    output, errors = process.communicate(timeout=600)
    assert process.returncode == 0, errors
    return json.loads(output)


def _read_until(process: subprocess.Popen[str], wanted: str) -> str:
    assert process.stderr is not None
    seen = []
    for line in process.stderr:
        if re.search(wanted, line):
            return line
        seen.append(line)
    pytest.fail(f"no line with {wanted!r} in:\n{''.join(seen)}")


def _process_id(started: str) -> int:
    return int(re.findall(r"process (\d+)", started)[0])


def _ends(process_id: int) -> bool:
    """Within a minute."""
    for _ in range(600):
        try:
            os.kill(process_id, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.1)
    return False


def _results(out: Path) -> list[Result]:
    return list(ResultsFolder(out).read().values())


def test_a_killed_benchmark_goes_on_with_what_is_not_done(write_plan: Write, data: Path, tmp_path: Path) -> None:
    plan, out = write_plan(ENDLESS), tmp_path / "out"
    for n_open in ("2 of 2", "1 of 2"):
        process = _run(plan, data, out, workers=0)
        assert n_open in _read_until(process, "runs to do")
        _read_until(process, "^started: algan-vector")
        process.kill()
        process.communicate()
        assert [result.spec.method for result in _results(out)] == ["knn"]
    assert (out / "results.jsonl").read_bytes().count(b"\n") == 1


def test_two_benchmarks_at_once_share_the_runs(quick: Path, data: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    both = [_run(quick, data, out, workers=0) for _ in range(2)]
    summaries = [_summary(process) for process in both]
    assert sum(summary["carried_out"] for summary in summaries) == 4
    assert [len(summary["done"]) for summary in summaries] == [4, 4]
    lines = (out / "results.jsonl").read_text(encoding="utf-8").splitlines()
    assert len({json.loads(line)["key"] for line in lines}) == len(lines) == 4


def test_a_killed_worker_costs_only_the_run_it_was_at(write_plan: Write, data: Path, tmp_path: Path) -> None:
    """And Ctrl-C ends them all: the one test with Ray, whose start takes many seconds."""
    pytest.importorskip("ray")
    plan, out = write_plan(ENDLESS), tmp_path / "out"
    process = _run(plan, data, out, workers=1)
    started = _read_until(process, "^started: algan-vector")
    first = _process_id(started)
    os.kill(first, signal.SIGKILL)
    assert "tried once more" in _read_until(process, "^lost: algan-vector")
    second = _process_id(_read_until(process, "^started: algan-vector"))
    assert second != first
    os.killpg(process.pid, signal.SIGINT)
    output, errors = process.communicate(timeout=120)
    assert output == ""  # Ray has said nothing where results belong
    assert (process.returncode, "goes on with what is not done" in errors) == (1, True), errors
    assert [(result.spec.method, result.status) for result in _results(out)] == [("knn", "done")]
    assert _ends(second)


def test_mistakes_end_with_status_2_and_failures_with_1(write_plan: Write, data: Path, tmp_path: Path) -> None:
    plan = write_plan('title = "t"\nseeds = [0]\n[[methods]]\nname = "knn"\n[[data]]\nname = "mtd"\n')
    process = _run(plan, data, tmp_path / "out", workers=0)
    output, errors = process.communicate(timeout=600)
    assert (process.returncode, output) == (2, "")
    assert "'mtd': missing" in errors
    plan = write_plan('title = "t"\nseeds = [0]\n[[methods]]\nname = "knn"\n[[data]]\nname = "scant"\n')
    process = _run(plan, data, tmp_path / "out", workers=0)
    output, errors = process.communicate(timeout=600)
    assert process.returncode == 1
    assert len(json.loads(output)["failed"]) == 1
    assert "FAILED: knn on scant" in errors
