"""Runs that one training serves: they are found, and their figures are those of a training for each."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from algan_ad.benchmark.division import Samples, load_samples
from algan_ad.benchmark.job import by_training
from algan_ad.benchmark.plan import Plan, RunSpec
from algan_ad.benchmark.plan_check import runs
from algan_ad.benchmark.results import Result, ResultsFolder
from algan_ad.benchmark.run import Summary, run_plan
from algan_ad.benchmark.sources import Sources
from algan_ad.detectors.algan_image import AlganImage
from algan_ad.detectors.knn import Knn
from algan_ad.runtime.errors import InputError

TINY = {"image_size": 32, "width": 4, "z_dim": 8, "epochs": 4, "batch_size": 8, "observe_every": 1}
BACKBONE = {"backbone": "squeezenet1_1", "layer": "features.3", "backbone_weights": "random", "image_size": 32}
MEASURED = {"started", "train_seconds", "score_ms_per_image", "peak_mb"}  # of the run, and no figures


@pytest.fixture(scope="module")
def tiles(tmp_path_factory: pytest.TempPathFactory) -> Sources:
    """MTD's layout: 24 good tiles, 12 cracked ones. Five are copies, so that they lie in validation and test."""
    rng, root = np.random.default_rng(0), tmp_path_factory.mktemp("data")
    for kind, n in (("MT_Free", 24), ("MT_Crack", 12)):
        folder = root / "mtd" / kind / "Imgs"
        folder.mkdir(parents=True)
        for i in range(n):
            pixels = rng.normal(128, 20, (32, 32))
            pixels[12:20] += 60 * (kind == "MT_Crack")
            Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(folder / f"{i:02}.jpg")
    for i in range(1, 6):
        (root / "mtd" / "MT_Crack" / "Imgs" / f"{i:02}.jpg").write_bytes(
            (root / "mtd" / "MT_Crack" / "Imgs" / "00.jpg").read_bytes()
        )
    return Sources(root)


def plan(*methods: dict[str, Any], protocols: tuple[str, ...] = ("normal-only", "thesis"), data: str = "mtd") -> Plan:
    return Plan(
        name="mine", title="T", seeds=(0,), protocols=protocols, methods=methods, data=({"name": data},),
        keep=("scores", "examples"),
    )  # fmt: skip


ALGAN = {"name": "algan-image", "label": "by default", "settings": TINY}
LAST = {"name": "algan-image", "label": "last", "settings": {**TINY, "selection": "last"}}
KNN = {"name": "knn", "label": "knn", "settings": BACKBONE}


def groups(of: Plan, sources: Sources) -> list[list[tuple[str, str]]]:
    return [[(spec.label, spec.protocol) for spec in group] for group in by_training(runs(of, sources))]


def test_protocols_share_a_training_where_they_share_its_samples(tiles: Sources) -> None:
    assert groups(plan(ALGAN, KNN), tiles) == [
        [("by default", "thesis"), ("by default", "normal-only")], [("knn", "thesis"), ("knn", "normal-only")],
    ]  # fmt: skip
    other = Sources(tiles.root, look=False)
    assert groups(plan(ALGAN, data="demo"), other) == [[("by default", "normal-only")], [("by default", "thesis")]]


def test_selections_share_a_training_except_where_they_are_a_mistake(tiles: Sources) -> None:
    assert groups(plan(ALGAN, LAST), tiles) == [
        [("by default", "thesis"), ("by default", "normal-only"), ("last", "normal-only")], [("last", "thesis")],
    ]  # fmt: skip
    wider = {**LAST, "label": "wider", "settings": {**TINY, "width": 8}}
    assert [len(group) for group in groups(plan(ALGAN, wider, protocols=("normal-only",)), tiles)] == [1, 1]


def carried_out(of: Plan, sources: Sources, out: Path) -> dict[str, Result]:
    summary: Summary = run_plan(of, sources, out, workers=0, device="cpu")
    assert summary.carried_out == len(summary.done) + len(summary.failed)
    return ResultsFolder(out).read()


def test_figures_are_those_of_a_training_for_each(
    tiles: Sources, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fitted: list[str] = []
    for method in (AlganImage, Knn):
        fit = method.fit
        monkeypatch.setattr(method, "fit", lambda *a, fit=fit, name=method.name: fitted.append(name) or fit(*a))
    together = carried_out(plan(ALGAN, LAST, KNN), tiles, tmp_path / "together")
    assert sorted(fitted) == ["algan-image", "algan-image", "knn"]  # the second time for `last` under protocol thesis
    alone: dict[str, Result] = {}
    for method in (ALGAN, LAST, KNN):
        for protocol in ("normal-only", "thesis"):
            one = plan(method, protocols=(protocol,))
            alone |= carried_out(one, tiles, tmp_path / f"{method['label']}, {protocol}")
    assert len(fitted) == 3 + 6
    assert together.keys() == alone.keys()
    for key, result in together.items():
        assert result.model_dump(exclude=MEASURED) == alone[key].model_dump(exclude=MEASURED)
        kept = [sorted((tmp_path / out / "files" / key).glob("*")) for out in
                ("together", f"{result.spec.label}, {result.spec.protocol}")]  # fmt: skip
        assert [path.read_bytes() for path in kept[0]] == [path.read_bytes() for path in kept[1]]
        assert bool(kept[0]) == (result.status == "done")
    by_run = {(r.spec.label, r.spec.protocol): r for r in together.values()}
    assert "labels select" in str(by_run["last", "thesis"].error)
    assert by_run["by default", "thesis"].n_anomalous < by_run["by default", "normal-only"].n_anomalous  # the copies
    assert not any((tmp_path / "together" / "runs").iterdir())


def test_a_training_that_fails_is_not_tried_for_every_run_of_it(
    tiles: Sources, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[int] = []

    def broken(*_: Any) -> None:
        tried.append(1)
        raise RuntimeError("no memory")

    monkeypatch.setattr(AlganImage, "fit", broken)
    found = carried_out(plan(ALGAN), tiles, tmp_path)
    assert len(tried) == 1
    assert [result.status for result in found.values()] == ["failed", "failed"]
    assert all("no memory" in str(result.error) for result in found.values())


def test_a_protocol_whose_samples_cannot_be_read_leaves_the_other(
    tiles: Sources, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unless_thesis(spec: RunSpec, *rest: Any) -> Samples:
        if spec.protocol == "thesis":
            raise InputError("cannot be read")
        return load_samples(spec, *rest)

    monkeypatch.setattr("algan_ad.benchmark.training.load_samples", unless_thesis)
    found = carried_out(plan(ALGAN), tiles, tmp_path).values()
    assert {result.spec.protocol: result.status for result in found} == {"thesis": "failed", "normal-only": "done"}
    assert {result.selection is None for result in found} == {True, False}
