"""A plan carried out: what is not done yet is run, results are written as they come."""

import subprocess
import time
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from algan_ad.benchmark.plan import Plan
from algan_ad.benchmark.plan_check import runs, with_categories
from algan_ad.benchmark.plan_files import write_folder_plan
from algan_ad.benchmark.pool import Lost, Pool, open_pool
from algan_ad.benchmark.results import Result, ResultsFolder
from algan_ad.benchmark.run_one import Job, Output, failure
from algan_ad.benchmark.sources import Sources
from algan_ad.evaluation.figures import AUROC
from algan_ad.runtime.errors import InputError
from algan_ad.runtime.progress import bar, log
from algan_ad.training.device import DeviceName

ATTEMPTS = 2  # a run whose worker died, as from too little memory, is tried once more
ELSEWHERE_SECONDS = 2.0  # between two looks at runs that another process is at


@dataclass(frozen=True)
class Summary:
    """What came of a plan: keys of runs by how they stand, and how many of them this call carried out."""

    done: tuple[str, ...]
    failed: tuple[str, ...]
    carried_out: int


def run_plan(
    plan: Plan, sources: Sources, folder: Path, *, workers: int | None = None, address: str | None = None,
    device: DeviceName = "auto", threads: int = 1, retry_failed: bool = False,
) -> Summary:  # fmt: skip
    """Carry out every run of `plan` that `folder` has no result of; other processes may be at the same plan.

    Each run takes so many threads. One that failed stays failed unless `retry_failed`. See `open_pool` for workers and
    address.

    Raises InputError, before the first run, for a plan that cannot be run; it lists all that is wrong with it.
    """
    if threads < 1:
        raise InputError(f"threads={threads}: expected 1 or more")
    specs = runs(plan, sources)
    results = ResultsFolder(folder)
    results.create()
    write_folder_plan(folder, with_categories(plan, sources))
    git = git_state()
    jobs = [Job(spec, sources, plan.page, plan.keep, device, threads, git) for spec in specs]
    board = _Board(results, jobs, retry_failed)
    if board.open:
        with open_pool(workers, address, device, threads) as pool:
            board.work(pool)
    found = results.read()
    _warn_of_files_not_kept(plan, folder, [s.key for s in specs if s.key in found and found[s.key].status == "done"])
    stand = {status: tuple(s.key for s in specs if s.key in found and found[s.key].status == status)
             for status in ("done", "failed")}  # fmt: skip
    return Summary(stand["done"], stand["failed"], board.carried_out)


def _warn_of_files_not_kept(plan: Plan, folder: Path, done: list[str]) -> None:
    n = sum(not (folder / "files" / key).is_dir() for key in done) if plan.keep else 0
    if n:
        log(f"warning: {n} runs done earlier kept no {', '.join(plan.keep)}; give another --out to have them")


def default_folder(plan: Plan) -> Path:
    """results/NAME, with -small where it is."""
    return Path("results") / (plan.name + ("-small" if plan.scale == "small" else ""))


class _Board:
    """The runs that are open, claimed one by one."""

    def __init__(self, results: ResultsFolder, jobs: list[Job], retry_failed: bool) -> None:
        self.results, self.n = results, len(jobs)
        self._before = {key: r.started for key, r in results.read().items() if retry_failed and r.status == "failed"}
        self.open = deque(self._not_done(jobs))
        self._n_before = self.n - len(self.open)
        self.carried_out = 0
        self._claims: dict[str, Any] = {}
        self._attempts: dict[str, int] = {}

    def work(self, pool: Pool) -> None:
        """Until nothing is open, here or elsewhere."""
        log(f"{len(self.open)} of {self.n} runs to do, results in {self.results.path}")
        self._start = time.monotonic()
        try:
            with bar("benchmark", self.n, self._n_before) as advance:
                while self.open or pool.running():
                    self._hand_out(pool)
                    for job, output in pool.wait(ELSEWHERE_SECONDS):
                        if self._settle(job, output, len(pool.running())):
                            advance(_under_way(pool))
        finally:
            for claim in self._claims.values():
                claim.release()

    def _hand_out(self, pool: Pool) -> None:
        """Give free workers what nobody else is at; runs that others have done meanwhile are dropped."""
        if not pool.free():
            return
        self.open = deque(self._not_done(self.open))
        for _ in range(len(self.open)):
            if not pool.free():
                return
            job = self.open.popleft()
            claim = self._claims.get(job.spec.key) or self.results.claim(job.spec.key)
            if claim is None:  # another process is at it; its result, or its death, will tell
                self.open.append(job)
                continue
            self._claims[job.spec.key] = claim
            if self._not_done([job]):
                pool.start(job)
                where = pool.running()[-1][1]
                log(f"started: {job.spec} ({where})")
            else:
                self._release(job)
        if self.open and not pool.running() and pool.free():
            time.sleep(ELSEWHERE_SECONDS)

    def _settle(self, job: Job, output: Output | Lost, n_running: int) -> bool:
        """Store what a run came to; True when it is over."""
        key = job.spec.key
        if isinstance(output, Lost):
            self._attempts[key] = self._attempts.get(key, 0) + 1
            if self._attempts[key] < ATTEMPTS:
                log(f"lost: {job.spec}: {output.reason}; it is tried once more")
                self.open.appendleft(job)
                return False
            output = Output(failure(job, f"{output.reason}; tried {ATTEMPTS} times"))
        self.results.add(output.result, output.files)
        self._before.pop(key, None)
        self._release(job)
        self.carried_out += 1
        n_left = len(self.open) + n_running
        left = (time.monotonic() - self._start) / self.carried_out * n_left
        log(f"{_said(output.result)}; {n_left} to go" + (f", about {_span(left)}" if n_left else ""))
        return True

    def _release(self, job: Job) -> None:
        self._claims.pop(job.spec.key).release()

    def _not_done(self, jobs: Iterable[Job]) -> list[Job]:
        """Jobs without a result; a failure from before this call counts as none where it is to be tried again."""
        found = self.results.read()
        return [
            job
            for job in jobs
            if (result := found.get(job.spec.key)) is None
            or (result.status == "failed" and self._before.get(result.key) == result.started)
        ]


def _said(result: Result) -> str:
    if result.status == "failed":
        return f"FAILED: {result.spec}: {result.error}"
    auroc = result.figures.get(AUROC.key)
    figure = "" if auroc is None else f": AUROC {auroc:.3f}"
    seconds = "" if result.train_seconds is None else f", trained {_span(result.train_seconds)}"
    return f"done: {result.spec}{figure}{seconds}"


def _under_way(pool: Pool) -> str:
    jobs = [str(job.spec) for job, _ in pool.running()]
    return "benchmark" if not jobs else jobs[0] + (f" and {len(jobs) - 1} more" if jobs[1:] else "")


def _span(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    if minutes >= 60:
        return f"{minutes // 60} h {minutes % 60} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def git_state() -> dict[str, Any]:
    """Commit of the source tree that this package is run from, and whether it was changed; nulls without one."""
    root = Path(__file__).resolve().parents[3]
    if not (root / ".git").exists():
        return {"commit": None, "dirty": None}

    def git(*words: str) -> str:
        return subprocess.run(["git", "-C", str(root), *words], capture_output=True, text=True, check=True).stdout  # noqa: S603, S607

    try:
        return {"commit": git("rev-parse", "HEAD").strip(), "dirty": bool(git("status", "--porcelain").strip())}
    except (OSError, subprocess.CalledProcessError):
        return {"commit": None, "dirty": None}
