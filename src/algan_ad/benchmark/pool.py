"""Workers that carry out the runs: this process, or processes that Ray starts here or on a cluster."""

import os
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from typing import Any, NamedTuple, Protocol

from algan_ad.benchmark.job import Job, Output
from algan_ad.benchmark.run_job import run_job
from algan_ad.runtime.decoder_messages import silence_decoders
from algan_ad.runtime.errors import AlganError, InputError, MissingExtra, Option
from algan_ad.runtime.progress import log, set_quiet

# These settings must be made before Ray is imported. They keep it from printing a lot, from reporting to its makers and
# from giving its workers a low priority, with which they would starve beside any other work.
SETTINGS = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_DEDUP_LOGS": "0",
    "RAY_worker_niceness": "0",
}

STARTS = 3  # attempts: on a busy machine Ray may take more than the half minute that it allows itself


class Lost(NamedTuple):
    """The end of a job whose worker died."""

    reason: str


Outcome = list[Output] | Lost


class Pool(Protocol):
    """A pool takes jobs while it has free workers, and returns their outcomes."""

    def free(self) -> int:
        """Number of jobs that can be taken now."""

    def start(self, job: Job) -> None: ...

    def running(self) -> list[tuple[Job, str]]:
        """The jobs under way, with their places."""

    def wait(self, seconds: float) -> list[tuple[Job, Outcome]]:
        """Wait until a job has ended or a worker is ready for one. Returns the jobs that have ended."""


class Here:
    """A pool without Ray: one job at a time, in this process."""

    def __init__(self) -> None:
        self._job: Job | None = None

    def free(self) -> int:
        return 0 if self._job else 1

    def start(self, job: Job) -> None:
        self._job = job

    def running(self) -> list[tuple[Job, str]]:
        return [(self._job, "this process")] if self._job else []

    def wait(self, seconds: float) -> list[tuple[Job, Outcome]]:
        if self._job is None:
            return []
        job, self._job = self._job, None
        return [(job, run_job(job))]


class _Worker:
    """A worker in a process of its own, which Ray starts."""

    def __init__(self) -> None:
        set_quiet(True)
        silence_decoders()

    def where(self) -> str:
        return f"{socket.gethostname()}, process {os.getpid()}"

    def run(self, job: Job) -> list[Output]:
        return run_job(job)


class RayPool:
    """A pool with a fixed number of workers, each with its cores and GPUs. A worker that dies is replaced."""

    def __init__(self, ray: Any, workers: int, cores: int, gpus: float) -> None:
        self._ray = ray
        self._make = ray.remote(_Worker).options(num_cpus=cores, num_gpus=gpus, max_restarts=0, max_concurrency=1)
        self._idle: list[tuple[Any, str]] = []
        self._starting: dict[Any, Any] = {}  # reference to an answer -> worker
        self._busy: dict[Any, tuple[Any, str, Job]] = {}
        for _ in range(workers):
            self._hire()

    def free(self) -> int:
        return len(self._idle)

    def start(self, job: Job) -> None:
        worker, where = self._idle.pop()
        self._busy[worker.run.remote(job)] = (worker, where, job)

    def running(self) -> list[tuple[Job, str]]:
        return [(job, where) for _, where, job in self._busy.values()]

    def wait(self, seconds: float) -> list[tuple[Job, Outcome]]:
        awaited = [*self._starting, *self._busy]
        ready = self._ray.wait(awaited, num_returns=1, timeout=seconds)[0] if awaited else []
        ended: list[tuple[Job, Outcome]] = []
        for answer in ready:
            if answer in self._starting:
                worker = self._starting.pop(answer)
                self._idle.append((worker, self._ray.get(answer)))
                continue
            worker, where, job = self._busy.pop(answer)
            try:
                ended.append((job, self._ray.get(answer)))
                self._idle.append((worker, where))
            except self._ray.exceptions.RayError as error:
                ended.append((job, Lost(f"its worker died ({where}): {_first_line(error)}")))
                self._hire()
        return ended

    def _hire(self) -> None:
        worker = self._make.remote()
        self._starting[worker.where.remote()] = worker


@contextmanager
def open_pool(workers: int | None, address: str | None, device: str, threads: int = 1) -> Iterator[Pool]:
    """Open a pool.

    workers: 0 = this process, without Ray; None = one for each GPU, or as many as the cores allow if there is no GPU.
    threads: threads of each run, and so cores of its worker.

    Raises InputError for a wrong number or an address where no cluster answers, MissingExtra without Ray.
    """
    if workers is not None and workers < 0:
        raise InputError(Option("workers", workers), ": expected 0 (no Ray) or more")
    if workers == 0:
        if address is not None:
            raise InputError(Option("workers", 0), " computes in this process; leave out ", Option("address"))
        yield Here()
        return
    os.environ.update(SETTINGS)
    try:
        import ray
    except ImportError as error:
        raise MissingExtra("benchmarks need pip install 'algan-ad[benchmark]', or ", Option("workers", 0)) from error
    _connect(ray, workers and workers * threads, address)
    with redirect_stdout(sys.stderr):  # for Ray's words on dead workers; standard output is for results
        yield from _hired(ray, workers, address, device, threads)


def _hired(ray: Any, workers: int | None, address: str | None, device: str, threads: int) -> Iterator[Pool]:
    try:
        found: dict[str, float] = ray.cluster_resources()
        gpus, cores = found.get("GPU", 0.0) if device in ("auto", "cuda") else 0.0, int(found["CPU"])
        n = workers or int(gpus) or max(1, cores // threads)
        log(f"{n} worker{'s' * (n > 1)}, " + (f"on the cluster {address}" if address else "here"))
        # Never more than there are, because Ray would wait for them forever.
        yield RayPool(ray, n, max(1, min(threads, cores // n)), min(1.0, gpus / n))
    except ray.exceptions.RayError as error:
        raise AlganError(f"Ray has stopped ({_first_line(error)}); the same command continues the work") from error
    finally:
        ray.shutdown()


def _connect(ray: Any, cores: int | None, address: str | None) -> None:
    quiet = {"log_to_driver": False, "logging_level": "ERROR", "configure_logging": True}
    if address is None:  # RAY_ADDRESS is ignored: without `address` the runs take place here
        options = {"address": "local", "num_cpus": cores, "include_dashboard": False, **quiet}
    else:
        options = {"address": address, **quiet}
    for attempt in range(1, STARTS + 1):
        try:
            ray.init(**options)
            return
        except Exception as error:  # Ray raises this very class if it has not started within half a minute
            ray.shutdown()
            if address is not None:
                raise InputError(
                    Option("address", address),
                    f": no cluster answers there ({_first_line(error)}); if it asks for a token, "
                    "set RAY_AUTH_MODE=token, as for any program that uses Ray",
                ) from error
            if attempt == STARTS:
                raise AlganError(
                    f"Ray did not start ({_first_line(error)}); is the machine too busy? ",
                    Option("workers", 0),
                    " does without it",
                ) from error
            log(f"Ray did not start within its time; attempt {attempt + 1} of {STARTS}")


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
