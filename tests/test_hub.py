"""Models on a hub: the card, what travels and what does not, and the way back. No test reaches the network."""

import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from algan_ad import load_model
from algan_ad.evaluation.results import evaluate_scores, write_evaluation
from algan_ad.runtime.errors import InputError
from algan_ad.runtime.model_folder import PlanEntry, read_model, rewrite_config

hf = pytest.importorskip("huggingface_hub")
hub: Any = pytest.importorskip("algan_ad.hub")

HOME = "/home/me/secret"


@pytest.fixture
def model(brightness_model: Path) -> Path:
    """A model that knows much of the machine that trained it."""
    config, _ = read_model(brightness_model)
    known = config.model_copy(
        update={
            "plan": {
                "backbone_weights": PlanEntry(value=f"{HOME}/r18.safetensors", origin="user"),
                "layers": PlanEntry(value=["layer2", rf"C:\secret\{HOME}\x.bin"], origin="user"),
                "epochs": PlanEntry(value=3, origin="fixed"),
            },
            "fingerprint": {"n_images": 2, "files": {f"{HOME}/0.png": "ab" * 32, "good/secret.png": "cd" * 32}},
            "training": {
                "dataset": "parts",
                "n_train": 1,
                "skipped": [f"{HOME}/bad.png"],
                "left_out_by_group": [f"{HOME}/1.png"],
                "normal_classes": ["obj1"],
                "other": f"{HOME}/2",
            },
        }
    )
    content = {"README.md": f"trained in {HOME}".encode(), "fake-normal.png": b"generated",
               "self-test.safetensors": b"secret images"}  # fmt: skip
    rewrite_config(brightness_model, known, content)
    (brightness_model / "secret.txt").write_text("not the model's")
    return brightness_model


class Repository:
    """A hub with one repository, in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.calls: list[tuple[str, dict[str, Any]]] = []

    def api(self, **options: Any) -> "Repository":
        self.calls.append(("HfApi", options))
        return self

    def create_repo(self, repo_id: str, **options: Any) -> None:
        self.calls.append((repo_id, options))

    def upload_folder(self, *, repo_id: str, folder_path: Path, commit_message: str) -> SimpleNamespace:
        shutil.copytree(folder_path, self.folder)
        return SimpleNamespace(commit_url=f"https://hub/{repo_id}/commit/1")

    def download(self, repo_id: str, **options: Any) -> str:
        self.calls.append((repo_id, options))
        (self.folder / ".gitattributes").write_text("of the hub")
        return str(self.folder)


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Repository:
    found = Repository(tmp_path / "repository")
    monkeypatch.setattr(hub.hf, "HfApi", found.api)
    monkeypatch.setattr(hub.hf, "snapshot_download", found.download)
    return found


def evaluated(folder: Path, dataset: str = "parts") -> None:
    labels, scores = [0] * 6 + [1] * 6, [*range(6), *range(4, 10)]
    evaluation = evaluate_scores(
        labels=labels, scores=scores, defects=["good"] * 6 + ["hole"] * 6, paths=[f"{HOME}/{i}.png" for i in range(12)],
        calibration=None, method="brightness", dataset=dataset, protocol="normal-only", seed=0,
    )  # fmt: skip
    folder.mkdir(parents=True)
    write_evaluation(folder / "evaluation.json", evaluation)


def test_nothing_of_the_machine_travels(model: Path, repository: Repository) -> None:
    evaluated(model / "evaluation")
    assert hub.push(model, "me/parts", license="apache-2.0") == "https://hub/me/parts/commit/1"
    files = {path.name: path.read_bytes() for path in repository.folder.rglob("*") if path.is_file()}
    assert files.keys() == {"README.md", "config.json", "fake-normal.png", "network.onnx", "weights.safetensors"}
    for name, content in files.items():
        for word in (b"secret", b"home", bytes(model.parent)):
            assert word not in content, (name, word)


def test_it_comes_back_and_scores_the_same(model: Path, repository: Repository, tmp_path: Path) -> None:
    hub.push(model, "me/parts")
    again = load_model(hub.pull("me/parts", tmp_path / "again", revision="v1"))
    images = np.random.default_rng(0).integers(0, 255, (3, 32, 32, 3), np.uint8)
    np.testing.assert_array_equal(again.score(images), load_model(model).score(images))
    assert again.config.calibration == load_model(model).config.calibration
    assert again.config.plan["backbone_weights"].value == "r18.safetensors"
    assert again.config.plan["layers"].value == ["layer2", "x.bin"]
    assert again.config.fingerprint["files"] == {"0": "ab" * 32, "1": "cd" * 32}  # an evaluation leaves them out
    assert again.config.training == {"dataset": "parts", "n_train": 1, "normal_classes": ["obj1"], "other": "2"}
    assert not (tmp_path / "again/.gitattributes").exists()
    assert repository.calls[-1][1]["revision"] == "v1"


def test_the_repository_is_private_unless_told_otherwise(model: Path, repository: Repository) -> None:
    hub.push(model, "me/parts", token="t")
    assert repository.calls == [
        ("HfApi", {"token": "t", "library_name": "algan-ad"}), ("me/parts", {"private": True, "exist_ok": True}),
    ]  # fmt: skip


def card(folder: Path, **options: Any) -> Any:
    hub.stage(folder, folder.with_name("staged"), "me/parts", **options)
    return hf.ModelCard.load(folder.with_name("staged") / "README.md")


def test_the_card_has_what_a_hub_reads(model: Path) -> None:
    evaluated(model / "evaluation")
    evaluated(model / "evaluation/Other Parts", "Other Parts")
    found = card(model, license="mit")
    assert found.data.license == "mit"
    facts = found.data.to_dict()
    assert (facts["library_name"], facts["pipeline_tag"]) == ("algan-ad", "image-classification")
    assert {"anomaly-detection", "brightness", "onnx"} <= set(found.data.tags)
    results = {(each.dataset_name, each.metric_name): each for each in found.data.eval_results}
    auroc = results["parts", "AUROC"]
    assert (auroc.metric_type, auroc.dataset_type, auroc.dataset_args) == (
        "roc_auc", "parts", {"protocol": "normal-only"},
    )  # fmt: skip
    assert auroc.metric_value == pytest.approx(34 / 36, abs=1e-4)  # of 36 pairs, 1 is wrong and 2 are ties
    assert results["Other Parts", "AUROC"].dataset_type == "other-parts"
    assert 'hub.pull("me/parts"' in found.content
    assert "![fake-normal.png]" in found.content
    assert "| `epochs` | `3` | fixed |" in found.content


def test_the_licence_is_left_to_the_user(model: Path) -> None:
    found = card(model)
    assert found.data.license is None
    assert "license" not in found.content.split("---")[1]
    assert found.data.eval_results is None


def test_bad_input(model: Path, repository: Repository, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="repo_id='no such name'"):
        hub.push(model, "no such name")
    with pytest.raises(InputError, match="no such model folder"):
        hub.push(tmp_path / "none", "me/parts")
    repository.folder.mkdir()
    with pytest.raises(InputError, match="not a model folder"):
        hub.pull("me/dataset", tmp_path / "new")
    assert not (tmp_path / "new").exists()
    shutil.rmtree(repository.folder)
    hub.push(model, "me/parts")
    before = (model / "config.json").read_bytes()
    with pytest.raises(InputError, match="holds a model already"):
        hub.pull("me/parts", model)
    assert (model / "config.json").read_bytes() == before
