"""metrics.jsonl, TensorBoard and MLflow receive the same rows."""

from pathlib import Path

import pytest

from algan_ad.runtime.errors import MissingExtra
from algan_ad.training.trackers import JsonLines, open_trackers, read_rows

ROWS = [{"epoch": 1, "loss_d": 0.5}, {"epoch": 2, "loss_d": 0.25, "logit/fake-normal": -1.0}]


def log_all(folder: Path, names: tuple[str, ...]) -> None:
    for tracker in open_trackers(folder, names, resume_after=0):  # type: ignore[arg-type]
        for row in ROWS:
            tracker.log(row)
        tracker.close()


def test_rows_after_the_checkpoint_are_dropped_on_resume(tmp_path: Path) -> None:
    log_all(tmp_path, ())
    path = tmp_path / "metrics.jsonl"
    path.write_text(path.read_text() + '{"epoch": 3, "lo')  # a line cut short by a kill
    assert read_rows(path) == ROWS
    resumed = JsonLines(path, resume_after=1)
    resumed.log({"epoch": 2, "loss_d": 9.0})
    resumed.close()
    assert read_rows(path) == [ROWS[0], {"epoch": 2, "loss_d": 9.0}]


def test_a_new_run_starts_an_empty_file(tmp_path: Path) -> None:
    log_all(tmp_path, ())
    JsonLines(tmp_path / "metrics.jsonl", resume_after=0).close()
    assert read_rows(tmp_path / "metrics.jsonl") == []


def test_tensorboard(tmp_path: Path) -> None:
    event_accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    log_all(tmp_path, ("tensorboard",))
    events = event_accumulator.EventAccumulator(str(tmp_path / "tensorboard"))
    events.Reload()
    assert [(e.step, e.value) for e in events.Scalars("loss_d")] == [(1, 0.5), (2, 0.25)]


def test_mlflow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mlflow = pytest.importorskip("mlflow")
    mlflow.set_tracking_uri(f"sqlite:///{tmp_path / 'mlflow.db'}")
    monkeypatch.chdir(tmp_path)
    log_all(tmp_path, ("mlflow",))
    (run,) = mlflow.search_runs(output_format="list")
    assert run.data.metrics == {"loss_d": 0.25, "logit/fake-normal": -1.0}


def test_mlflow_prints_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """MLflow would print the address of a run at its end; standard output is for results."""
    mlflow = pytest.importorskip("mlflow")
    monkeypatch.delenv("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", raising=False)
    from mlflow.tracking._tracking_service import client

    monkeypatch.setattr(client, "RestStore", object)  # as if the store were a server's
    monkeypatch.setattr(client, "get_workspace_url", lambda: "http://localhost")
    mlflow.set_tracking_uri(f"sqlite:///{tmp_path / 'mlflow.db'}")
    monkeypatch.chdir(tmp_path)
    log_all(tmp_path, ("mlflow",))
    assert capsys.readouterr().out == ""


def test_mlflow_goes_on_with_the_run_of_a_resumed_training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mlflow = pytest.importorskip("mlflow")
    mlflow.set_tracking_uri(f"sqlite:///{tmp_path / 'mlflow.db'}")
    monkeypatch.chdir(tmp_path)
    for done in (0, 1):
        trackers = open_trackers(tmp_path, ("mlflow",), done, {"sigma": 4.0})
        for tracker in trackers:
            tracker.log({"epoch": done + 1, "loss_d": 0.5 - done / 4})
            tracker.close()
    (run,) = mlflow.search_runs(output_format="list")
    assert run.data.params == {"sigma": "4.0"}
    history = mlflow.MlflowClient().get_metric_history(run.info.run_id, "loss_d")
    assert [(point.step, point.value) for point in history] == [(1, 0.5), (2, 0.25)]


def test_a_missing_tracker_says_how_to_install_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "mlflow", None)
    with pytest.raises(MissingExtra, match=r"algan-ad\[tracking\]"):
        open_trackers(tmp_path, ("mlflow",), 0)
