from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from algan_ad.benchmark import run as engine
from algan_ad.benchmark.job import Job
from algan_ad.benchmark.plan_files import read_plan
from algan_ad.benchmark.pool import Here, Lost, Outcome, _hired, open_pool
from algan_ad.benchmark.results import ResultsFolder
from algan_ad.benchmark.run import Summary, run_plan
from algan_ad.benchmark.sources import Sources
from algan_ad.runtime.errors import InputError


class Mortal(Here):
    """A worker that dies at its first `deaths` jobs."""

    def __init__(self, deaths: int) -> None:
        super().__init__()
        self.deaths = deaths

    def wait(self, seconds: float) -> list[tuple[Job, Outcome]]:
        if self._job is None or not self.deaths:
            return super().wait(seconds)
        self.deaths -= 1
        job, self._job = self._job, None
        return [(job, Lost("its worker died"))]


def _run_with(pool: Here, quick: Path, data: Path, out: Path, monkeypatch: pytest.MonkeyPatch) -> Summary:
    monkeypatch.setattr(engine, "open_pool", lambda *_: nullcontext(pool))
    return run_plan(read_plan(quick), Sources(data), out)


def test_no_workers_means_this_process() -> None:
    with open_pool(0, None, "cpu") as pool:
        assert isinstance(pool, Here)
        assert pool.free() == 1


@pytest.mark.parametrize(("workers", "address"), [(-1, None), (0, "somewhere:1")])
def test_options_that_cannot_be_are_refused(workers: int, address: str | None) -> None:
    with pytest.raises(InputError, match="workers="), open_pool(workers, address, "cpu"):
        pass


class Machine:
    """As much of Ray as hiring needs."""

    exceptions = SimpleNamespace(RayError=RuntimeError)

    def __init__(self, **resources: float) -> None:
        self.resources, self.reserved = resources, []

    def cluster_resources(self) -> dict[str, float]:
        return self.resources

    def remote(self, kind: type) -> Any:
        return self

    def options(self, **wanted: Any) -> Any:
        self.reserved.append((wanted["num_cpus"], wanted["num_gpus"]))
        return SimpleNamespace(remote=lambda: SimpleNamespace(where=SimpleNamespace(remote=object)))

    def shutdown(self) -> None: ...


@pytest.mark.parametrize(
    ("resources", "workers", "threads", "expected"),
    [
        ({"CPU": 8.0}, None, 1, (8, 1, 0)),
        ({"CPU": 8.0}, None, 4, (2, 4, 0)),
        ({"CPU": 2.0}, None, 4, (1, 2, 0)),  # it would wait for the other two without end
        ({"CPU": 16.0, "GPU": 2.0}, None, 4, (2, 4, 1)),
        ({"CPU": 2.0}, 4, 1, (4, 1, 0)),
    ],
)
def test_workers_and_the_cores_of_each(resources: Any, workers: int | None, threads: int, expected: Any) -> None:
    ray = Machine(**resources)
    (pool,) = _hired(ray, workers, None, "auto", threads)
    assert (len(pool._starting), *ray.reserved[0]) == expected


def test_a_run_whose_worker_died_is_tried_once_more(
    quick: Path, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    summary = _run_with(Mortal(1), quick, data, tmp_path, monkeypatch)
    assert (len(summary.done), summary.failed, summary.carried_out) == (4, (), 4)


def test_a_run_that_kills_its_workers_fails_and_the_others_go_on(
    quick: Path, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    summary = _run_with(Mortal(2), quick, data, tmp_path, monkeypatch)
    assert (len(summary.done), len(summary.failed), summary.carried_out) == (3, 1, 4)
    (failed,) = [result for result in ResultsFolder(tmp_path).read().values() if result.status == "failed"]
    assert failed.error == "its worker died; tried 2 times"
