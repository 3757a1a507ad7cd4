"""The unit of work: runs that one training serves, with everything that a process needs to carry them out."""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from algan_ad.benchmark.plan import Kept, RunSpec
from algan_ad.benchmark.results import Result
from algan_ad.benchmark.sources import Sources
from algan_ad.data.catalog import DATASETS
from algan_ad.data.splits import SAME_TRAINING
from algan_ad.training.device import DeviceName


@dataclass(frozen=True)
class Job:
    """Runs of one training. `unfinished`: the folder of run folders, if this machine has it."""

    specs: tuple[RunSpec, ...]
    sources: Sources
    page: str | None = None
    keep: tuple[Kept, ...] = ()
    device: DeviceName = "auto"
    threads: int = 1
    git: dict[str, Any] = field(default_factory=dict)
    unfinished: Path | None = None

    @property
    def key(self) -> str:
        """The name of its run folder: the key of its first run."""
        return self.specs[0].key

    def __str__(self) -> str:
        more = len(self.specs) - 1
        return str(self.specs[0]) + (f", and {more} more of the same training" if more else "")


@dataclass(frozen=True)
class Output:
    """The line of results of a run, and its files by name."""

    result: Result
    files: dict[str, bytes] = field(default_factory=dict)


def by_training(specs: Iterable[RunSpec]) -> list[tuple[RunSpec, ...]]:
    """Groups of runs that one training serves, in the order of their first runs.

    The runs of a group differ only in the label, the selection of the weights and, if both protocols train on the same
    samples, the protocol. Runs of protocol `thesis` come first, because they have a labelled validation half.
    """
    groups: dict[str, list[RunSpec]] = {}
    for spec in specs:
        groups.setdefault(_training(spec), []).append(spec)
    return [tuple(sorted(group, key=lambda spec: spec.protocol != "thesis")) for group in groups.values()]


def _training(spec: RunSpec) -> str:
    """Everything that the training of a run depends on, as text."""
    selection = spec.settings.get("selection", "validation" if spec.protocol == "thesis" else None)
    if (selection == "validation") != (spec.protocol == "thesis"):  # a mistake of this run alone
        return spec.key
    depends = spec.model_dump(mode="json", exclude={"label"})
    depends["settings"].pop("selection", None)
    if spec.dataset in DATASETS and DATASETS[spec.dataset].layout in SAME_TRAINING:
        del depends["protocol"]
    return json.dumps(depends, sort_keys=True)
