"""Records of the numbers of a run: `metrics.jsonl` always, TensorBoard and MLflow when asked for."""

import json
import math
import os
from pathlib import Path
from typing import Any, Literal, Protocol

from algan_ad.runtime.errors import MissingExtra, Option

TrackerName = Literal["tensorboard", "mlflow"]
Row = dict[str, Any]


class Tracker(Protocol):
    def log(self, row: Row) -> None: ...

    def close(self) -> None: ...


class JsonLines:
    """One JSON object per epoch. On resume, rows after the checkpoint's epoch are dropped first."""

    def __init__(self, path: Path, resume_after: int) -> None:
        kept = [row for row in read_rows(path) if row["epoch"] <= resume_after] if resume_after else []
        path.write_text("".join(json.dumps(row) + "\n" for row in kept))
        self.file = path.open("a")

    def log(self, row: Row) -> None:
        self.file.write(json.dumps(row) + "\n")
        self.file.flush()

    def close(self) -> None:
        self.file.close()


class TensorBoard:
    def __init__(self, folder: Path) -> None:
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError as error:
            raise _missing("tensorboard") from error
        self.writer = SummaryWriter(str(folder / "tensorboard"))

    def log(self, row: Row) -> None:
        for name, value in _numbers(row).items():
            self.writer.add_scalar(name, value, row["epoch"])

    def close(self) -> None:
        self.writer.close()


MLFLOW_RUN = "mlflow-run.txt"  # names the MLflow run that a resumed training goes on with


class MLflow:
    def __init__(self, folder: Path, resume_after: int, params: Row) -> None:
        try:
            import mlflow
        except ImportError as error:
            raise _missing("mlflow") from error
        self.mlflow = mlflow
        os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "1")  # which holds results only
        known = folder / MLFLOW_RUN
        if resume_after and known.exists():
            mlflow.start_run(run_id=known.read_text())
            return
        run = mlflow.start_run(run_name=folder.name)
        known.write_text(run.info.run_id)
        mlflow.log_params(params)

    def log(self, row: Row) -> None:
        self.mlflow.log_metrics({k.replace(" ", "_"): v for k, v in _numbers(row).items()}, step=row["epoch"])

    def close(self) -> None:
        self.mlflow.end_run()


def open_trackers(
    folder: Path, names: tuple[TrackerName, ...], resume_after: int, params: Row | None = None
) -> list[Tracker]:
    """The trackers of a run. `params`: its plan, for trackers that show it beside the numbers."""
    trackers: list[Tracker] = [JsonLines(folder / "metrics.jsonl", resume_after)]
    if "tensorboard" in names:
        trackers.append(TensorBoard(folder))
    if "mlflow" in names:
        trackers.append(MLflow(folder, resume_after, params or {}))
    return trackers


def read_rows(path: Path) -> list[Row]:
    """The rows of a metrics.jsonl; a last line cut short by a killed process is left out."""
    rows = []
    for line in path.read_text().splitlines() if path.is_file() else []:
        try:
            rows.append(json.loads(line))
        except json.JSONDecodeError:
            break
    return rows


def _missing(tracker: TrackerName) -> MissingExtra:
    return MissingExtra(Option("track", tracker), ": install it with pip install 'algan-ad[tracking]'")


def _numbers(row: Row) -> dict[str, float]:
    return {k: float(v) for k, v in row.items() if isinstance(v, int | float) and math.isfinite(v) and k != "epoch"}
