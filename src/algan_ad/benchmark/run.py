"""The execution of a plan: runs that are not done yet are carried out, and results are written as they come."""

import subprocess
import time
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from algan_ad.benchmark import shared_images
from algan_ad.benchmark.job import Job, by_training
from algan_ad.benchmark.plan import Plan
from algan_ad.benchmark.plan_check import runs, with_categories
from algan_ad.benchmark.plan_files import write_folder_plan
from algan_ad.benchmark.pool import Lost, Outcome, Pool, open_pool
from algan_ad.benchmark.results import Result, ResultsFolder
from algan_ad.benchmark.run_job import failures
from algan_ad.benchmark.sources import Sources
from algan_ad.evaluation.figures import AUROC
from algan_ad.runtime.errors import InputError, Option
from algan_ad.runtime.progress import bar, log
from algan_ad.training.device import DeviceName, pick_device

ATTEMPTS = 2  # a run whose worker died, for example from lack of memory, is tried once more
ELSEWHERE_SECONDS = 2.0  # between two looks at the runs of other processes


@dataclass(frozen=True)
class Summary:
    """The state of a plan: keys of done and of failed runs, and the number of runs that this call carried out."""

    done: tuple[str, ...]
    failed: tuple[str, ...]
    carried_out: int


def run_plan(
    plan: Plan, sources: Sources, folder: Path, *, workers: int | None = None, address: str | None = None,
    device: DeviceName = "auto", threads: int = 1, retry_failed: bool = False,
) -> Summary:  # fmt: skip
    """Carry out every run of `plan` that `folder` has no result of; other processes may work on the same plan.

    Each run takes `threads` threads. A failed run stays failed unless `retry_failed`; an interrupted run continues from
    its last checkpoint. Runs that one training serves are carried out together: see `by_training`. `open_pool` explains
    workers and address.

    Raises InputError, before the first run, for a device that this machine lacks, and for a plan that cannot be run;
    that error lists all mistakes.
    """
    if threads < 1:
        raise InputError(Option("threads", threads), ": expected 1 or more")
    if address is None:  # a cluster may have what this machine lacks
        pick_device(device)
    specs = runs(plan, sources)
    results = ResultsFolder(folder)
    results.create()
    write_folder_plan(folder, with_categories(plan, sources))
    git = git_state()
    groups = [(spec,) for spec in specs] if plan.page else by_training(specs)
    unfinished = results.unfinished.absolute()
    jobs = [Job(group, sources, plan.page, plan.keep, device, threads, git, unfinished) for group in groups]
    open_jobs = _OpenJobs(results, jobs, retry_failed)
    if open_jobs.open:
        with open_pool(workers, address, device, threads) as pool:
            open_jobs.work(pool)
    shared_images.remove(results.unfinished)
    found = results.read()
    _warn_of_files_not_kept(plan, folder, [s.key for s in specs if s.key in found and found[s.key].status == "done"])
    stand = {status: tuple(s.key for s in specs if s.key in found and found[s.key].status == status)
             for status in ("done", "failed")}  # fmt: skip
    return Summary(stand["done"], stand["failed"], open_jobs.carried_out)


def _warn_of_files_not_kept(plan: Plan, folder: Path, done: list[str]) -> None:
    n = sum(not (folder / "files" / key).is_dir() for key in done) if plan.keep else 0
    if n:
        log(f"warning: {n} runs done earlier kept no {', '.join(plan.keep)}; choose another folder to have them")


def default_folder(plan: Plan) -> Path:
    """The folder results/NAME, or results/NAME-small for the small form."""
    return Path("results") / (plan.name + ("-small" if plan.scale == "small" else ""))


class _OpenJobs:
    """The jobs that are open, claimed one by one."""

    def __init__(self, results: ResultsFolder, jobs: list[Job], retry_failed: bool) -> None:
        self.results, self.n = results, _n_runs(jobs)
        self._before = {key: r.started for key, r in results.read().items() if retry_failed and r.status == "failed"}
        self.open = deque(self._not_done(jobs))
        self._n_before = self.n - _n_runs(self.open)
        self.carried_out = 0
        self._claims: dict[str, Any] = {}  # key of a run -> its lock
        self._attempts: dict[str, int] = {}

    def work(self, pool: Pool) -> None:
        """Work until nothing is open, here or elsewhere."""
        log(f"{_n_runs(self.open)} of {self.n} runs to do, results in {self.results.path}")
        self._start = time.monotonic()
        try:
            with bar("benchmark", self.n, self._n_before) as advance:
                while self.open or pool.running():
                    self._hand_out(pool)
                    for job, outcome in pool.wait(ELSEWHERE_SECONDS):
                        for _ in range(self._settle(job, outcome, pool)):
                            advance(_under_way(pool))
        finally:
            for claim in self._claims.values():
                claim.release()

    def _hand_out(self, pool: Pool) -> None:
        """Give free workers jobs that no other process has; runs that others have done meanwhile are dropped."""
        if not pool.free():
            return
        self.open = deque(self._not_done(self.open))
        for _ in range(len(self.open)):
            if not pool.free():
                return
            job = self.open.popleft()
            if not self._claim(job):  # another process has it, until its results or its death
                self.open.append(job)
                continue
            left = self._not_done([job])
            self._release({spec.key for spec in job.specs} - {spec.key for each in left for spec in each.specs})
            for each in left:
                pool.start(each)
                where = pool.running()[-1][1]
                log(f"started: {each} ({where})")
        if self.open and not pool.running() and pool.free():
            time.sleep(ELSEWHERE_SECONDS)

    def _claim(self, job: Job) -> bool:
        """Claim all runs of a job, or none. Returns True when they are claimed."""
        for spec in job.specs:
            claim = self._claims.get(spec.key) or self.results.claim(spec.key)
            if claim is None:
                self._release({each.key for each in job.specs} & self._claims.keys())
                return False
            self._claims[spec.key] = claim
        return True

    def _settle(self, job: Job, outcome: Outcome, pool: Pool) -> int:
        """Store the outcome of a job. Returns the number of runs that it ended."""
        if isinstance(outcome, Lost):
            self._attempts[job.key] = self._attempts.get(job.key, 0) + 1
            if self._attempts[job.key] < ATTEMPTS:
                log(f"lost: {job}: {outcome.reason}; it is tried once more")
                self.open.appendleft(job)
                return 0
            outcome = failures(job, f"{outcome.reason}; tried {ATTEMPTS} times")
        for output in outcome:
            self.results.add(output.result, output.files)
            self._before.pop(output.result.key, None)
        self._release({spec.key for spec in job.specs})
        self.carried_out += len(outcome)
        n_left = _n_runs(self.open) + _n_runs(each for each, _ in pool.running())
        left = (time.monotonic() - self._start) / self.carried_out * n_left
        for output in outcome:
            log(f"{_said(output.result)}; {n_left} to go" + (f", about {_span(left)}" if n_left else ""))
        return len(outcome)

    def _release(self, keys: Iterable[str]) -> None:
        for key in keys:
            self._claims.pop(key).release()

    def _not_done(self, jobs: Iterable[Job]) -> list[Job]:
        """Jobs of the runs without a result; an earlier failure that is to be tried again counts as none."""
        found = self.results.read()

        def is_open(key: str) -> bool:
            result = found.get(key)
            return result is None or (result.status == "failed" and self._before.get(key) == result.started)

        left = (replace(job, specs=tuple(spec for spec in job.specs if is_open(spec.key))) for job in jobs)
        return [job for job in left if job.specs]


def _n_runs(jobs: Iterable[Job]) -> int:
    return sum(len(job.specs) for job in jobs)


def _said(result: Result) -> str:
    if result.status == "failed":
        return f"FAILED: {result.spec}: {result.error}"
    auroc = result.figures.get(AUROC.key)
    figure = "" if auroc is None else f": AUROC {auroc:.3f}"
    seconds = "" if result.train_seconds is None else f", trained {_span(result.train_seconds)}"
    return f"done: {result.spec}{figure}{seconds}"


def _under_way(pool: Pool) -> str:
    jobs = [str(job) for job, _ in pool.running()]
    return "benchmark" if not jobs else jobs[0] + (f" and {len(jobs) - 1} more" if jobs[1:] else "")


def _span(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    if minutes >= 60:
        return f"{minutes // 60} h {minutes % 60} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def git_state() -> dict[str, Any]:
    """Commit of the source tree that this package is run from, and `dirty` if it was changed; None without a tree."""
    root = Path(__file__).resolve().parents[3]
    if not (root / ".git").exists():
        return {"commit": None, "dirty": None}

    def git(*words: str) -> str:
        return subprocess.run(["git", "-C", str(root), *words], capture_output=True, text=True, check=True).stdout  # noqa: S603, S607

    try:
        return {"commit": git("rev-parse", "HEAD").strip(), "dirty": bool(git("status", "--porcelain").strip())}
    except (OSError, subprocess.CalledProcessError):
        return {"commit": None, "dirty": None}
