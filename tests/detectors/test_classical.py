"""The traditional methods against scores worked out by hand, and what their shared base promises."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from noise import noise
from numpy.typing import NDArray

from algan_ad.data.recipe import Recipe
from algan_ad.detectors import CATALOG, METHODS
from algan_ad.detectors.shared.attribution import attribution_maps
from algan_ad.detectors.shared.classical import ClassicalDetector
from algan_ad.detectors.shared.contract import RunOptions, TrainingData
from algan_ad.evaluation.metrics import image_auroc
from algan_ad.features.backbones import RANDOM, Backbone
from algan_ad.runtime.bulk import predict_files
from algan_ad.runtime.errors import InputError
from algan_ad.workflows.evaluate import evaluate, report
from algan_ad.workflows.load import load_model
from algan_ad.workflows.model import Model
from algan_ad.workflows.options import DataOptions
from algan_ad.workflows.overlays import OverlayFolder
from algan_ad.workflows.plan import entries
from algan_ad.workflows.samples import prepare
from algan_ad.workflows.train import train

NAMES = [method.name for method in CATALOG if method.family == "traditional"]
SMALL: dict[str, dict[str, Any]] = {"lof": {"k": 8}, "isolation-forest": {"trees": 30}}
IMAGES = {"backbone": "squeezenet1_1", "layer": "features.3", "backbone_weights": RANDOM, "image_size": 32}


def make(name: str, **settings: Any) -> ClassicalDetector:
    detector = METHODS[name](METHODS[name].Config(**settings), "cpu")
    assert isinstance(detector, ClassicalDetector)
    return detector


def fitted(name: str, rows: Any, seed: int = 0, **settings: Any) -> ClassicalDetector:
    detector = make(name, **settings)
    detector.fit(TrainingData(np.asarray(rows)), RunOptions(seed, "cpu"))
    return detector


def scores(name: str, rows: Any, test: Any, **settings: Any) -> NDArray[np.float64]:
    plain = {"standardise": False, **settings}
    return fitted(name, np.array(rows, np.float32), **plain).score(np.array(test, np.float32))


def images(n: int, seed: int, stripes: bool = False) -> NDArray[np.uint8]:
    return noise(n, seed, 100 * stripes)


# --- each by hand ----------------------------------------------------------------------------------------------


def test_knn_takes_the_largest_distance_or_their_mean() -> None:
    rows, test = [[0, 0], [0, 2], [3, 0], [9, 9]], [[0, 0], [0, -4]]
    np.testing.assert_allclose(scores("knn", rows, test, k=3), [3, 6])
    np.testing.assert_allclose(scores("knn", rows, test, k=3, distance="mean"), [5 / 3, 5])


def test_kmeans_is_the_distance_to_the_nearest_centre() -> None:
    rows = [[0, -1], [0, 1], [10, -1], [10, 1]]
    np.testing.assert_allclose(scores("kmeans", rows, [[0, 0], [10, 3], [5, 0]], clusters=2), [0, 3, 5], atol=1e-6)


def test_kde_is_minus_the_log_of_the_mean_kernel() -> None:
    h = 0.5
    density = (math.exp(-0.5 * (1 / h) ** 2) + math.exp(-0.5 * (3 / h) ** 2)) / 2 / (h * math.sqrt(2 * math.pi))
    np.testing.assert_allclose(scores("kde", [[0.0], [4.0]], [[1.0]], bandwidth=h), [-math.log(density)], rtol=1e-6)


def test_kde_follows_the_spread_of_the_data() -> None:
    """Scott's rule for a known deviation: 2 * 16^(-1/5); a hundred times the data, the same order."""
    rows = np.repeat([-2.0, 2.0], 8)[:, None]
    h = 2 * 16 ** (-1 / 5)
    np.testing.assert_allclose(scores("kde", rows, [[1.0]]), scores("kde", rows, [[1.0]], bandwidth=h), rtol=1e-6)
    test = np.linspace(-5, 5, 7)[:, None]
    shift = scores("kde", 100 * rows, 100 * test) - scores("kde", rows, test)
    np.testing.assert_allclose(shift, math.log(100), rtol=1e-5)


def test_gmm_of_one_component_is_the_normal_density() -> None:
    rows = np.repeat([-1.0, 1.0], 50)[:, None]
    found = scores("gmm", rows, [[0.0], [2.0]], components=1, regularisation=1e-9)
    half_log = 0.5 * math.log(2 * math.pi)
    np.testing.assert_allclose(found, [half_log, half_log + 2], rtol=1e-5)


def test_gmm_with_more_features_than_samples_stays_finite() -> None:
    rng = np.random.default_rng(0)
    found = scores("gmm", rng.normal(size=(10, 40)), rng.normal(size=(5, 40)))
    assert np.isfinite(found).all()


def test_lof_of_a_line_and_a_far_point() -> None:
    """Inside of an even line the factor is 1; a point 10 steps off has 10 times its neighbours' reach (k = 1)."""
    found = scores("lof", np.arange(20.0)[:, None], [[10.0], [29.0]], k=1)
    np.testing.assert_allclose(found, [1, 10], rtol=1e-6)


def test_mahalanobis_counts_deviations() -> None:
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(20_000, 2)) * [1, 10]
    found = scores("mahalanobis", rows, [[0, 0], [3, 0], [0, 30]])
    np.testing.assert_allclose(found, [0, 9, 9], rtol=0.05, atol=0.01)


def test_ocsvm_leaves_the_share_nu_outside() -> None:
    rows = np.random.default_rng(0).normal(size=(400, 3))
    for nu in (0.1, 0.5):
        assert np.mean(scores("ocsvm", rows, rows, nu=nu) > 0) == pytest.approx(nu, abs=0.02)


def test_isolation_forest_scores_are_the_papers() -> None:
    """s in (0, 1), above 0.5 for what is isolated early (section 3 of the paper)."""
    rows = np.random.default_rng(0).normal(size=(256, 2))
    centre, far = scores("isolation-forest", rows, [[0, 0], [9, 9]])
    assert 0 < centre < 0.5 < far < 1


@pytest.mark.parametrize("name", NAMES)
def test_far_away_scores_higher(name: str) -> None:
    rng = np.random.default_rng(0)
    good, bad = rng.normal(size=(30, 4)), rng.normal(4, 1, size=(30, 4))
    found = scores(name, rng.normal(size=(100, 4)), np.concatenate([good, bad]), **SMALL.get(name, {}))
    assert image_auroc(np.repeat([0, 1], 30), found) > 0.99


# --- the base --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_standardised_is_blind_to_units(name: str) -> None:
    rng = np.random.default_rng(0)
    rows, test = rng.normal(size=(30, 3)).astype(np.float32), rng.normal(size=(9, 3)).astype(np.float32)
    units, zero = np.array([1, 1000, 0.01], np.float32), np.array([0, 7, -1], np.float32)
    settings = SMALL.get(name, {})
    found = fitted(name, rows, **settings).score(test)
    np.testing.assert_allclose(
        fitted(name, rows * units + zero, **settings).score(test * units + zero), found, rtol=1e-3
    )


def test_columns_are_standardised_and_features_are_not() -> None:
    assert make("knn").choices("normal-only") == {"standardise": True}
    assert make("knn", **IMAGES).choices("normal-only") == {"standardise": False}
    plan = entries(make("knn", standardise=False).config, {"standardise": (True, "")})
    assert (plan["standardise"].value, plan["standardise"].origin) == (False, "user")


@pytest.mark.parametrize("name", ["gmm", "isolation-forest", "kmeans"])
def test_random_choices_follow_the_stored_seed(name: str) -> None:
    rng = np.random.default_rng(0)
    rows, test = rng.normal(size=(60, 3)).astype(np.float32), rng.normal(size=(20, 3)).astype(np.float32)
    first = fitted(name, rows, seed=1)
    again = make(name).load(first.tensors())
    np.testing.assert_array_equal(again.score(test), first.score(test))
    assert not np.array_equal(fitted(name, rows, seed=2).score(test), first.score(test))


def test_a_loaded_model_is_fitted_anew() -> None:
    a, b = fitted("knn", np.zeros((6, 2), np.float32)), fitted("knn", np.ones((6, 2), np.float32))
    np.testing.assert_array_equal(a.load(b.tensors()).score(np.ones((1, 2), np.float32)), [0])


def test_constant_columns_do_no_harm() -> None:
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(30, 3)).astype(np.float32)
    rows[:, 1] = 5
    for name in NAMES:
        assert np.isfinite(fitted(name, rows, **SMALL.get(name, {})).score(rows)).all(), name


@pytest.mark.parametrize(
    ("name", "option"), [("knn", "k"), ("lof", "k"), ("kmeans", "clusters"), ("gmm", "components")]
)
def test_more_than_the_data_allows_is_refused(name: str, option: str) -> None:
    most = 3 if name == "lof" else 4
    with pytest.raises(InputError, match=f"{option}=5: .* at most {most}; choose a smaller"):
        fitted(name, np.eye(4, dtype=np.float32), **{option: 5})


def test_layer_without_backbone_is_refused() -> None:
    with pytest.raises(InputError, match=r"name the network with backbone"):
        make("lof", layer="layer3")


# --- images ----------------------------------------------------------------------------------------------------


def test_a_backbone_makes_it_a_method_of_images() -> None:
    assert (make("knn").input, make("knn").preprocessing(Recipe())) == ("vector", None)
    detector = make("knn", **IMAGES)
    assert detector.input == "image"
    preprocessing = detector.preprocessing(Recipe(centre_crop=True))
    assert preprocessing is not None
    assert (preprocessing.size, preprocessing.resize) == (32, 37)


def test_images_are_scored_by_their_pooled_features() -> None:
    detector = fitted("knn", images(8, 0), **IMAGES, k=1)
    backbone = Backbone("squeezenet1_1", "features.3", RANDOM)
    rows, test = (backbone(torch.from_numpy(images(n, seed))) for n, seed in ((8, 0), (3, 1)))
    np.testing.assert_allclose(detector.score(images(3, 1)), torch.cdist(test, rows).min(1).values, rtol=1e-3)
    restored = make("knn", **{**IMAGES, "backbone_weights": "/not/there.pth"}, k=1).load(detector.tensors())
    np.testing.assert_array_equal(restored.score(images(3, 1)), detector.score(images(3, 1)))


def test_striped_images_score_higher() -> None:
    test = np.concatenate([images(10, 2), images(10, 3, stripes=True)])
    assert image_auroc(np.repeat([0, 1], 10), fitted("mahalanobis", images(20, 0), **IMAGES).score(test)) == 1


def test_the_gradient_is_that_of_the_score() -> None:
    """Of the distance to the nearest neighbour: the unit vector away from it."""
    detector = fitted("knn", np.array([[0, 0], [9, 9]], np.float32), k=1, standardise=False)
    assert detector.module is not None
    x = torch.tensor([[3.0, 4.0]], requires_grad=True)
    (gradient,) = torch.autograd.grad(detector.module(x).sum(), x)
    torch.testing.assert_close(gradient, torch.tensor([[0.6, 0.8]]), atol=1e-2, rtol=0)


def test_maps_point_at_the_stripes() -> None:
    odd = images(1, 5)
    odd[:, 20:28:2, 4:12] += 100
    (heat,) = attribution_maps(fitted("knn", images(8, 0), **IMAGES, k=1), odd)
    assert heat[16:, :16].mean() > 2 * heat[:16, 16:].mean()


def test_images_from_the_folder_to_the_report(pristine_parts: Path, tmp_path: Path) -> None:
    """Every workflow asks the detector what it takes, not its class."""
    train(pristine_parts, "knn", tmp_path / "m", config=make("knn", **IMAGES).config, false_alarm_rate=0.2)
    model = load_model(tmp_path / "m")
    assert isinstance(model, Model)
    assert (model.config.input, model.detector.input) == ("image", "image")
    predictions = list(predict_files(model, [pristine_parts / "test"], overlays=OverlayFolder(tmp_path / "maps")))
    assert len(predictions) == len(list((tmp_path / "maps").rglob("*.png")))
    evaluation = evaluate(model, pristine_parts)
    assert evaluation.image_auroc is not None
    assert report(model, evaluation, tmp_path / "report").exists()


def test_folder_without_a_backbone_says_what_to_do(pristine_parts: Path) -> None:
    with pytest.raises(InputError, match=r"knn takes vectors, expected a file ending in .*; set backbone to train"):
        prepare(pristine_parts, make("knn"), DataOptions(), seed=0, strict=False)
    with pytest.raises(InputError, match=r"algan-vector takes vectors, expected a file ending in \S+, \S+, \S+, \S+$"):
        prepare(pristine_parts, METHODS["algan-vector"](METHODS["algan-vector"].Config()), DataOptions(), 0, False)


def test_table_with_a_backbone_says_what_to_do(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.eye(4))
    with pytest.raises(InputError, match=r"a table of vectors; leave out backbone"):
        prepare(tmp_path / "x.npy", make("knn", **IMAGES), DataOptions(), seed=0, strict=False)
