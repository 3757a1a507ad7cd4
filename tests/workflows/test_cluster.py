"""The same table from a Ray cluster, here of processes that Ray starts, of which one is killed."""

import os
import signal
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from algan_ad.runtime import bulk
from algan_ad.runtime.bulk import predict_files
from algan_ad.runtime.errors import InputError
from algan_ad.runtime.prediction import Prediction
from algan_ad.workflows.cluster import RayCluster, open_cluster
from algan_ad.workflows.load import load_model
from algan_ad.workflows.model import Model
from algan_ad.workflows.overlays import OverlayFolder

pytest.importorskip("ray.data")
ROWS = 600


@pytest.fixture(scope="module")
def folder(image_model: Model, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("cluster") / "model"
    image_model.save(path)
    return path


@pytest.fixture
def names(pristine_parts: Path, tmp_path: Path) -> Path:
    """A list of images, some of which are not there."""
    paths = sorted(pristine_parts.rglob("*.png"))
    lines = [str(paths[i % len(paths)]) if i % 50 else f"missing {i}.png" for i in range(ROWS)]
    (tmp_path / "list.txt").write_text("\n".join(lines))
    return tmp_path / "list.txt"


@pytest.mark.skipif(sys.platform != "linux", reason="finds the workers in /proc")
def test_a_lost_worker_loses_and_doubles_no_row(
    folder: Path, names: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk, "CHUNK", 8)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    model = load_model(folder, "cpu", threads=1)
    list(predict_files(model, [names], out=tmp_path / "here.csv"))
    killed = None
    with open_cluster("local", folder, {"device": "cpu", "threads": 1}, None) as cluster:
        outcomes = predict_files(model, [names], out=tmp_path / "there.csv", cluster=cluster)
        for i, each in enumerate(outcomes):
            if killed is None and i > 20:
                killed = a_worker()
                os.kill(killed, signal.SIGKILL)
            assert isinstance(each, Prediction) == bool(i % 50)
    assert killed is not None
    assert (tmp_path / "there.csv").read_bytes() == (tmp_path / "here.csv").read_bytes()


def a_worker() -> int:
    """A process of Ray's that scores, below this one."""
    listed = subprocess.run(["ps", "-eo", "pid,args"], capture_output=True, text=True, check=True).stdout
    found = [int(line.split()[0]) for line in listed.splitlines() if "ray::" in line and "_Worker" in line]
    return next(pid for pid in found if below(pid, os.getpid()))


def below(pid: int, above: int) -> bool:
    while pid > 1:
        pid = int(Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[1])
        if pid == above:
            return True
    return False


def test_what_a_cluster_cannot_do(image_model: Model, vector_model: Model, names: Path, tmp_path: Path) -> None:
    cluster = RayCluster(None, (), 1)
    with pytest.raises(InputError, match="leave out the maps or the cluster"):
        predict_files(image_model, [names], overlays=OverlayFolder(tmp_path), cluster=cluster)
    with pytest.raises(InputError, match="leave the cluster out"):
        predict_files(vector_model, [names], cluster=cluster)
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("a.png", b"")
    with pytest.raises(InputError, match=r"a\.zip#a\.png: lies inside another file"):
        list(predict_files(image_model, [tmp_path / "a.zip"], cluster=cluster))


def test_no_cluster_there(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(**_: object) -> None:
        raise ConnectionError("nobody there")

    monkeypatch.setattr("ray.init", refuse)  # it would try for minutes
    with (
        pytest.raises(InputError, match=r"ray='127\.0\.0\.1:1': no cluster answers there \(nobody there\)"),
        open_cluster("127.0.0.1:1", folder, {"device": "cpu", "threads": 1}, None),
    ):
        pass
