"""What `algan bench` measures. No time is asserted, because times are the machine's."""

import json
import resource
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from algan_ad.cli import run
from algan_ad.runtime.errors import InputError
from algan_ad.runtime.progress import is_quiet
from algan_ad.workflows import bench as module
from algan_ad.workflows.bench import BATCHES, Bench, bench, compare
from algan_ad.workflows.limit import MatrixProduct, count_flops
from algan_ad.workflows.model import Model


@pytest.fixture(autouse=True)
def _few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "STARTS", 1)
    monkeypatch.setattr(module, "PHOTOGRAPH", (60, 40))


@pytest.fixture(scope="module")
def folder(image_model: Model, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("bench") / "model"
    image_model.save(path)
    return path


@pytest.fixture(scope="module")
def vectors(vector_model: Model, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("bench") / "vectors"
    vector_model.save(path)
    return path


def test_a_model_of_images(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["bench", str(folder), "--rounds", "2", "--threads", "1", "--json"]) == 0
    printed = capsys.readouterr()
    found = json.loads(printed.out)
    assert printed.err == ""
    assert list(found["stages"]) == ["read", "decode", "resize", "infer", "decide", "all"]
    for spread in found["stages"].values():
        assert 0 < spread["p50"] <= spread["p95"] <= spread["p99"]
    assert {int(n) for n in found["throughput"]["1"]} == set(BATCHES)
    assert found["peak_mb"] > 10
    assert found["start_seconds"] > 0
    assert found["flops"] > 0
    assert set(found["share_of_limit"]) == {"1", "16"}
    assert found["share_of_limit"]["16"] > 0
    assert not is_quiet()


def test_the_peak_is_that_of_a_process_of_its_own(brightness_model: Path, pristine_parts: Path) -> None:
    """Without torch, which this process has loaded."""
    _, _, peak = module._start(brightness_model, ("auto", "onnx", 1), [pristine_parts / "test/good/000.png"])
    assert peak is not None
    assert 20 < peak < 0.75 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10


def test_vectors_have_no_files(vectors: Path) -> None:
    found = bench(vectors, rounds=2, threads=1)
    assert isinstance(found, Bench)
    assert list(found.stages) == ["infer", "decide", "all"]
    with pytest.raises(InputError, match="scores vectors, which are made up here"):
        bench(vectors, [vectors], rounds=2)
    assert list(compare(vectors, vectors, rounds=2)) == ["infer 1", "infer 16"]


def test_the_screen(folder: Path, vectors: Path, capsys: pytest.CaptureFixture[str], pristine_parts: Path) -> None:
    words = ["--images", str(pristine_parts / "test"), "--rounds", "2", "--threads", "1"]
    assert run(["bench", str(folder), "--against", str(folder), *words]) == 0
    out = capsys.readouterr().out
    for said in ("algan-image by torch, 16 given", "1 thread ", "from start to first score", "GFLOP an image",
                 "times faster", "infer 16", "all 1"):  # fmt: skip
        assert said in out
    assert run(["bench", str(folder), "--against", str(vectors), "--rounds", "2"]) == 2
    assert "takes vectors, and" in capsys.readouterr().err
    assert run(["bench", str(folder), "--rounds", "1"]) == 2
    assert "--rounds 1: expected 2 or more" in capsys.readouterr().err


def test_operations_are_those_of_the_network(folder: Path) -> None:
    one, two = (count_flops(folder, np.zeros((n, 32, 32, 3), np.uint8)) for n in (1, 2))
    assert one
    assert two == 2 * one


def test_a_ratio_is_that_of_the_rounds_whatever_drifts(monkeypatch: pytest.MonkeyPatch) -> None:
    """The machine gets twice as slow from round to round; one call takes thrice the other's time in each."""
    calls = iter(range(100))

    def timed(call: Callable[[], float]) -> tuple[float, None]:
        return call() * 2.0 ** (next(calls) // 2), None

    monkeypatch.setattr(module, "_timed", timed)
    found = module._ratio(lambda: 1.0, lambda: 3.0, 10)
    assert (found.ratio, found.low, found.high) == (3, 3, 3)


def test_the_limit_is_that_of_so_many_threads() -> None:
    with MatrixProduct(1) as limit:
        assert limit.gflops() > 0
        process = limit.process
    assert process.returncode == 0
