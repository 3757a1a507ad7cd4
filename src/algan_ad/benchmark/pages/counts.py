"""Table 5.1: numbers of images in the catalogue, which holds those of the thesis, and on the disk."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from algan_ad.benchmark.outcomes import Outcomes
from algan_ad.benchmark.plan import RunSpec
from algan_ad.data.catalog import MVTEC_CATEGORIES
from algan_ad.data.layouts import open_dataset
from algan_ad.report.benchmark import Section
from algan_ad.report.tables import Cell, Table
from algan_ad.training.device import DeviceName

Counts = tuple[int, ...]

COLUMNS = ("train (normal)", "test (normal)", "test (anomalous)")
NOTHING = (None, None, None)


def run(spec: RunSpec, data: Path | None, folder: Path, device: DeviceName, threads: int) -> dict[str, Any]:
    """Count the images of one category on the disk; if there is no data, the catalogue stands alone."""
    if data is None:
        return {}
    dataset = open_dataset(data)
    labels = [item.label for item in dataset.test]
    return {"n_train": len(dataset.train), "n_normal": labels.count(0), "n_anomalous": labels.count(1)}


def draw(outcomes: Outcomes, files: Path) -> list[Section]:
    listed = {name: (c.counts.train, c.counts.normal, c.counts.anomalous) for name, c in MVTEC_CATEGORIES.items()}
    found = {
        result.spec.category or result.spec.dataset: (result.n_train, result.n_normal or 0, result.n_anomalous or 0)
        for result in outcomes.done()
        if result.n_train is not None
    }
    tables = [
        _table("The thesis", "Number of images, as the catalogue of this package holds them.", _with_total(listed))
    ]
    if found:
        tables.append(_table("On the disk", _agreement(found, listed), found, listed))
    return [Section("MVTec-AD", tables=tuple(tables))]


def _with_total(listed: Mapping[str, Counts]) -> dict[str, Counts]:
    return {**listed, "total": tuple(map(sum, zip(*listed.values(), strict=True)))}


def _agreement(found: Mapping[str, Counts], listed: Mapping[str, Counts]) -> str:
    differing = [name for name in found if name in listed and found[name] != listed[name]]
    verdict = f"They differ in {', '.join(differing)}." if differing else "They agree wherever both have a number."
    return f"Number of images found, or of the demo set; those of the thesis in small print or brackets. {verdict}"


def _table(title: str, caption: str, counts: Mapping[str, Counts], beside: Mapping[str, Counts] | None = None) -> Table:
    body = [(name, tuple(map(_cell, row, (beside or {}).get(name, NOTHING)))) for name, row in counts.items()]
    return Table(title, caption, "", COLUMNS, tuple(body))


def _cell(n: int, other: int | None) -> Cell:
    return Cell(str(n), beside="" if other is None else str(other), numbers={"mean": n})
