"""The folder of an unfinished job, `FOLDER/runs/KEY/`: it outlives the process, so that the next call can continue.

A job continues only if it was begun with the same runs, code, versions and machine: its results are then the same, to
the bit, as without the interruption. If the folder of the results is not visible (on a cluster without a shared disk),
a job is carried out in a temporary folder, and an interrupted one starts anew.
"""

import json
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock

from algan_ad.benchmark.job import Job
from algan_ad.benchmark.machine import machine
from algan_ad.runtime.errors import InputError
from algan_ad.runtime.files import read_json, write_json
from algan_ad.training.loop import RunFolder
from algan_ad.workflows.train import versions

CHECKPOINT_SECONDS = 300.0  # the most that a kill costs; at full size a checkpoint has hundreds of megabytes

BEGUN = "begun.json"
LOCK = ".lock"
TRAINING = ".training"


@contextmanager
def run_folder(job: Job) -> Iterator[Path]:
    """The folder to carry out a job in, with the files that an interrupted call left there of the same job."""
    if job.unfinished is None or not job.unfinished.is_dir():
        with tempfile.TemporaryDirectory(prefix="algan-") as folder:
            yield Path(folder)
        return
    place = job.unfinished / job.key
    place.mkdir(exist_ok=True)
    with FileLock(place / LOCK):  # a worker outlives a killed caller by some seconds
        facts = _facts(job)
        if _begun(place) != facts:
            _empty(place)
            write_json(place / BEGUN, facts)
        yield place


def training_folder(folder: Path) -> RunFolder:
    """The loop's own folder inside another one; the loop continues from a checkpoint that lies there."""
    path = folder / TRAINING
    return RunFolder(path, resume=path.is_dir(), checkpoint_seconds=CHECKPOINT_SECONDS)


def _facts(job: Job) -> Any:
    """Everything that the bits of a job depend on, as JSON gives it back."""
    runs = [spec.model_dump(mode="json") for spec in job.specs]
    facts = {"runs": runs, "keep": job.keep, "machine": machine(job.device, job.threads), "versions": versions(),
             "git": job.git}  # fmt: skip
    return json.loads(json.dumps(facts))


def _begun(place: Path) -> Any:
    try:
        return read_json(place / BEGUN)
    except InputError:  # not there, or not whole
        return None


def _empty(place: Path) -> None:
    for path in place.iterdir():
        if path.is_dir():
            shutil.rmtree(path)
        elif path.name != LOCK:
            path.unlink()
