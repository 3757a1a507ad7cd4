"""Images scored on a Ray cluster, by Ray Data (extra `cluster`)."""

import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from functools import partial
from io import BytesIO
from itertools import islice
from pathlib import Path
from typing import Any

from algan_ad.runtime.bulk import score_together
from algan_ad.runtime.decoder_messages import silence_decoders
from algan_ad.runtime.errors import AlganError, InputError, MissingExtra, Option
from algan_ad.runtime.pictures import Picture
from algan_ad.runtime.progress import set_quiet
from algan_ad.runtime.rows import JsonLines, Outcome, outcome_of, read_rows, row_of
from algan_ad.workflows.load import load_model

# Set before Ray is imported: it would report to its makers, and give its workers a low priority.
SETTINGS = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_worker_niceness": "0", "RAY_DATA_DISABLE_PROGRESS_BARS": "1"}
LOCAL = "local"
WINDOW = 4096  # chunks whose names are held at once


@dataclass(frozen=True)
class RayCluster:
    """Workers that each load the model of a folder, which lies at the same path on every machine, as the images do.

    A chunk is a block of Ray Data: when a worker is lost, Ray scores its block again, and no other one.
    """

    ray: Any
    settings: tuple[Any, ...]
    workers: int

    def score(self, chunks: Iterator[list[Picture]]) -> Iterator[list[Outcome]]:
        """The outcomes of chunks of pictures, in their order. Raises InputError for pictures inside other files."""
        while window := [_names(chunk) for chunk in islice(chunks, WINDOW)]:
            blocks = self.ray.data.from_items(window, override_num_blocks=len(window))
            try:
                scored = blocks.map(_Worker, fn_constructor_args=self.settings, concurrency=self.workers, num_cpus=1)
                for row in scored.iter_rows():
                    yield [outcome_of(each) for each, _ in read_rows(BytesIO(row["rows"]), Path("ray"), JsonLines())]
            except self.ray.exceptions.RayError as error:
                line = (str(error).strip().splitlines() or [type(error).__name__])[0]
                raise AlganError(f"Ray has stopped ({line}); go on with ", Option("resume", True)) from error


class _Worker:
    """A model in a process of its own."""

    def __init__(self, folder: str, scoring: dict[str, Any], false_alarm_rate: float | None) -> None:
        set_quiet(True)
        silence_decoders()
        model = load_model(folder, **scoring)
        self.model = model if false_alarm_rate is None else model.with_false_alarm_rate(false_alarm_rate)

    def __call__(self, row: dict[str, Any]) -> dict[str, Any]:
        pairs = zip(row["names"], row["files"], strict=True)
        pictures = [Picture(name, Path(file), Path(name), partial(Path, file)) for name, file in pairs]
        form = JsonLines()
        return {"rows": b"".join(form.encode(row_of(each, None)) for each in score_together(self.model, pictures))}


@contextmanager
def open_cluster(
    address: str, folder: Path, scoring: dict[str, Any], false_alarm_rate: float | None
) -> Iterator[RayCluster]:
    """A cluster for the model of a folder; "local" starts workers here, as many as there are cores.

    scoring: arguments of `load_model`.

    Raises InputError for an address where no cluster answers, MissingExtra without Ray.
    """
    for name, value in SETTINGS.items():
        os.environ.setdefault(name, value)
    try:
        import ray
        import ray.data
    except ImportError as error:
        raise MissingExtra(
            "a Ray cluster needs pip install 'algan-ad[cluster]', or leave out ", Option("ray")
        ) from error
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    with redirect_stdout(sys.stderr):  # Ray's words; standard output is for results
        try:
            ray.init(address=address, log_to_driver=False, logging_level="ERROR", configure_logging=True)
        except Exception as error:  # of several classes
            raise InputError(Option("ray", address), f": no cluster answers there ({str(error).strip()})") from error
        try:
            context = ray.data.DataContext.get_current()
            context.execution_options.preserve_order = True
            context.enable_progress_bars = False
            settings = (str(folder.resolve()), scoring, false_alarm_rate)
            yield RayCluster(ray, settings, max(1, int(ray.cluster_resources()["CPU"])))
        finally:
            ray.shutdown()


def _names(chunk: list[Picture]) -> dict[str, list[str]]:
    for each in chunk:
        if each.name != str(each.file):
            raise InputError(
                f"{each.name}: lies inside another file, which one machine reads in one pass; unpack it, or leave out ",
                Option("ray"),
            )
    return {"names": [each.name for each in chunk], "files": [str(each.file.resolve()) for each in chunk]}
