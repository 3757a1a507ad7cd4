"""Table 5.1: how many images there are. The catalogue against the thesis, and against what lies on the disk."""

from pathlib import Path
from typing import Any

from algan_ad.benchmark.outcomes import Outcomes
from algan_ad.benchmark.plan import RunSpec
from algan_ad.data.catalog import MVTEC_CATEGORIES
from algan_ad.data.layouts import open_dataset
from algan_ad.report.benchmark import Section
from algan_ad.report.tables import EMPTY, Cell, Table
from algan_ad.training.device import DeviceName

COLUMNS = ("train (normal)", "test (normal)", "test (anomalous)")


def run(spec: RunSpec, data: Path | None, folder: Path, device: DeviceName, threads: int) -> dict[str, Any]:
    """Count the images of one category on the disk; without data there is only the catalogue."""
    if data is None:
        return {}
    dataset = open_dataset(data)
    labels = [item.label for item in dataset.test]
    return {"n_train": len(dataset.train), "n_normal": labels.count(0), "n_anomalous": labels.count(1)}


def draw(outcomes: Outcomes, files: Path) -> list[Section]:
    on_disk = {
        result.spec.category or result.spec.dataset: (result.n_train, result.n_normal, result.n_anomalous)
        for result in outcomes.done()
        if result.n_train is not None
    }
    listed = {name: (c.counts.train, c.counts.normal, c.counts.anomalous) for name, c in MVTEC_CATEGORIES.items()}
    listed["total"] = tuple(sum(counts[i] for counts in listed.values()) for i in range(3))  # type: ignore[assignment]
    thesis = outcomes.plan.thesis
    body = [
        (name, _cells(counts, [thesis.get(f"{column}|{name}", "") for column in COLUMNS]))
        for name, counts in listed.items()
    ]
    differing = [name for name, cells in body for cell in cells if cell.beside and cell.text != cell.beside]
    agreement = f"They differ in {', '.join(dict.fromkeys(differing))}." if differing else "They agree in every place."
    tables = [
        Table(
            "The catalogue",
            f"Number of images; in small print or brackets the thesis's. {agreement}",
            "",
            COLUMNS,
            tuple(body),
        )
    ]
    if on_disk:
        found = tuple((name, _cells(counts, [""] * 3)) for name, counts in on_disk.items())
        tables.append(
            Table("On the disk", "Number of images found below --data, or of the demo set.", "", COLUMNS, found)
        )
    return [Section("MVTec-AD", tables=tuple(tables))]


def _cells(counts: tuple[int | None, ...], beside: list[str]) -> tuple[Cell, ...]:
    return tuple(
        EMPTY if n is None else Cell(str(n), beside=other, numbers={"mean": n})
        for n, other in zip(counts, beside, strict=True)
    )
