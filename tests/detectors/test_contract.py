"""The contract of DESIGN.md, once, for every method there is."""

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from annotated_types import Ge, Gt, Le, Lt
from numpy.typing import NDArray
from safetensors.numpy import load, save
from tiny import DIM, SIDE, TINY

from algan_ad.data.recipe import Recipe
from algan_ad.detectors import CATALOG, METHODS
from algan_ad.detectors.shared.attribution import attribution_maps
from algan_ad.detectors.shared.contract import Detector, RunOptions, TrainingData
from algan_ad.detectors.shared.trained_by_epochs import TrainedDetector, TrainingConfig
from algan_ad.runtime.errors import InputError
from algan_ad.training.loop import RunFolder, Trained


def samples(detector: type[Detector] | Detector, n: int, seed: int) -> NDArray[Any]:
    """Images uint8 (n, SIDE, SIDE, 3), or vectors float32 (n, DIM)."""
    rng = np.random.default_rng(seed)
    if detector.input == "image":
        return rng.integers(0, 256, (n, SIDE, SIDE, 3), dtype=np.uint8)
    return rng.normal(size=(n, DIM)).astype(np.float32)


def make(name: str, **changes: Any) -> Detector:
    return METHODS[name](METHODS[name].Config(**{**TINY[name], **changes}), "cpu")


def fit(name: str, seed: int = 0, **changes: Any) -> Detector:
    detector = make(name, **changes)
    detector.fit(TrainingData(samples(detector, 20, 0), held_out=samples(detector, 5, 1)), RunOptions(seed, "cpu"))
    return detector


def same(a: Detector, b: Detector) -> bool:
    first, second = a.tensors(), b.tensors()
    return first.keys() == second.keys() and all(np.array_equal(first[key], second[key]) for key in first)


@pytest.fixture(params=list(METHODS))
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


TRAINED = [name for name, method in METHODS.items() if issubclass(method, TrainedDetector)]


@pytest.fixture(params=TRAINED)
def trained(request: pytest.FixtureRequest) -> str:
    """The methods that learn epoch by epoch."""
    return str(request.param)


def test_a_row_of_the_catalogue_says_what_the_method_is(name: str) -> None:
    (row,) = (each for each in CATALOG if each.name == name)
    method, made = METHODS[name], METHODS[name](METHODS[name].Config(), "cpu")
    assert row.input == made.input
    assert row.epochs == issubclass(method, TrainedDetector)
    assert row.backbone == ("backbone" in method.Config.model_fields)
    assert row.exports == (not method.not_exported)
    assert row.maps == ("own" if method.draws_maps else "attribution" if made.input == "image" else None)
    assert len(row.summary) > 15


@pytest.fixture(scope="module")
def detectors() -> dict[str, Detector]:
    return {}


@pytest.fixture
def fitted(name: str, detectors: dict[str, Detector]) -> Detector:
    """Fitted once a method; tests leave it as it is."""
    if name not in detectors:
        detectors[name] = fit(name)
    return detectors[name]


def test_every_method_is_under_test() -> None:
    assert TINY.keys() == METHODS.keys()


# --- configuration ---------------------------------------------------------------------------------------------


def test_configuration_survives_json_and_is_frozen(name: str) -> None:
    config = make(name).config
    again = type(config)(**json.loads(config.model_dump_json()))
    assert again == config
    with pytest.raises(ValueError, match="frozen"):
        setattr(config, next(iter(type(config).model_fields)), 7)


def test_unknown_option_is_refused(name: str) -> None:
    with pytest.raises(InputError, match="sigmma"):
        make(name, sigmma=4)


def test_every_option_says_what_it_is_and_keeps_its_bounds(name: str) -> None:
    config = METHODS[name].Config
    for option, field in config.model_fields.items():
        assert field.description, option
        for value in _beyond(field.metadata):
            with pytest.raises(InputError, match=option):
                make(name, **{option: value})
        if field.annotation in (int, float):
            assert field.metadata or option == "image_size", f"{option} has no bounds"


def _beyond(metadata: list[Any]) -> list[float]:
    """A value just outside of each bound."""
    values: list[float] = []
    for bound in metadata:
        values += [bound.ge - 1] if isinstance(bound, Ge) else []
        values += [bound.le + 1] if isinstance(bound, Le) else []
        values += [bound.gt] if isinstance(bound, Gt) else []
        values += [bound.lt] if isinstance(bound, Lt) else []
    return values  # type: ignore[return-value]


def test_name_and_input_are_declared(name: str) -> None:
    method = METHODS[name]
    assert method.name == name
    assert issubclass(method.Config, TrainingConfig) == (name in TRAINED)
    preprocessing = make(name).preprocessing(Recipe())
    assert (preprocessing is None) == (make(name).input == "vector")
    assert preprocessing is None or preprocessing.size == SIDE


# --- training --------------------------------------------------------------------------------------------------


def test_one_training_serves_both_protocols(trained: str) -> None:
    """Scores are those of a training for each, to the bit."""
    labels = np.repeat([0, 1], 5)

    def go(*selections: Any, thesis: bool = True) -> tuple[TrainedDetector, Trained]:
        detector = make(trained, observe_every=1)
        assert isinstance(detector, TrainedDetector)
        validation = (samples(detector, 10, 2), labels) if thesis else None
        data = TrainingData(samples(detector, 20, 0), held_out=samples(detector, 5, 1), validation=validation)
        return detector, detector.fit(data, RunOptions(0, "cpu", selections=selections))

    both, outcome = go("validation", METHODS[trained].default_selection)
    x = samples(both, 7, 5)
    for thesis, found in ((False, outcome.others[0]), (True, outcome)):
        both.switch(found)
        alone, expected = go(thesis=thesis)
        assert found.selection == expected.selection
        assert np.array_equal(both.score(x), alone.score(x))


def test_the_seed_decides_everything(name: str, fitted: Detector) -> None:
    torch.manual_seed(99)
    np.random.seed(99)
    assert same(fit(name), fitted)
    if name in TRAINED:
        assert not same(fit(name, seed=1), fitted)


def test_looking_at_held_out_data_changes_nothing(name: str, fitted: Detector) -> None:
    blind = make(name)
    blind.fit(TrainingData(samples(blind, 20, 0)), RunOptions(0, "cpu"))
    assert same(blind, fitted)


def test_a_second_fit_forgets_the_first(name: str, fitted: Detector) -> None:
    detector = make(name)
    detector.fit(TrainingData(samples(detector, 12, 7)), RunOptions(5, "cpu"))
    detector.fit(TrainingData(samples(detector, 20, 0), held_out=samples(detector, 5, 1)), RunOptions(0, "cpu"))
    assert same(detector, fitted)


def test_resumed_is_uninterrupted(trained: str, tmp_path: Path) -> None:
    data = TrainingData(samples(make(trained), 20, 0))

    epochs: list[int] = []

    def go(folder: RunFolder, watch: Any) -> Detector:
        detector = make(trained, epochs=6, observe_every=1)
        detector.fit(data, RunOptions(0, "cpu", folder, watch=watch))
        return detector

    def note(epoch: int, weights: object) -> None:
        epochs.append(epoch)

    def stop(epoch: int, weights: object) -> None:
        if epoch == 5:  # amid the epochs whose weights are averaged
            raise KeyboardInterrupt

    whole = go(RunFolder(tmp_path / "whole"), None)
    with pytest.raises(KeyboardInterrupt):
        go(RunFolder(tmp_path / "cut", checkpoint_seconds=0), stop)
    assert same(go(RunFolder(tmp_path / "cut", resume=True, checkpoint_seconds=0), note), whole)
    assert epochs[:2] == [5, 6]


def test_training_data_stays_as_it_is(name: str) -> None:
    detector = make(name)
    x = samples(detector, 20, 0)
    detector.fit(TrainingData(x, held_out=x[:4]), RunOptions(0, "cpu"))
    np.testing.assert_array_equal(x, samples(detector, 20, 0))


def test_fewer_samples_than_a_batch(trained: str) -> None:
    # The mixtures draw their batches with replacement, and take any number of samples.
    if trained in ("algan-patch", "algan-wavelet"):
        pytest.skip("any number of images will do")
    detector = make(trained, discriminator="layers") if trained == "algan-vector" else make(trained)
    with pytest.raises(InputError, match=r"5 training samples, fewer than the batch of 8.*batch_size=5"):
        detector.fit(TrainingData(samples(detector, 5, 0)), RunOptions(0, "cpu"))


def test_labels_select_only_under_protocol_thesis(trained: str) -> None:
    x, y = samples(make(trained), 20, 0), np.repeat([0, 1], 4)
    validation = (samples(make(trained), 8, 2), y)
    with pytest.raises(InputError, match=r"selection='validation': .* protocol='thesis'"):
        make(trained, selection="validation").fit(TrainingData(x), RunOptions(0, "cpu"))
    with pytest.raises(InputError, match=r"selection='average': .* protocol='thesis'"):
        make(trained, selection="average").fit(TrainingData(x, validation=validation), RunOptions(0, "cpu"))
    done = make(trained).fit(TrainingData(x, validation=validation), RunOptions(0, "cpu"))
    assert "labelled validation half (protocol thesis)" in done.selection
    assert "without labels" in make(trained).fit(TrainingData(x), RunOptions(0, "cpu")).selection


# --- scoring ---------------------------------------------------------------------------------------------------


def test_scores_are_one_finite_number_a_sample(fitted: Detector) -> None:
    scores = fitted.score(samples(fitted, 7, 3))
    assert scores.shape == (7,)
    assert scores.dtype == np.float64
    assert np.isfinite(scores).all()
    assert len(set(scores)) > 1
    assert fitted.score(samples(fitted, 0, 3)).shape == (0,)


def test_neither_order_nor_batch_nor_neighbours_change_a_score(fitted: Detector) -> None:
    x = samples(fitted, 11, 3)
    scores = fitted.score(x)
    order = np.random.default_rng(0).permutation(11)
    for got, wanted in [
        (fitted.score(x[order]), scores[order]),
        (fitted.score(x, batch_size=1), scores),
        (fitted.score(x, batch_size=4), scores),
        (fitted.score(np.concatenate([x[:1], samples(fitted, 9, 4) // 2]))[:1], scores[:1]),
    ]:
        np.testing.assert_allclose(got, wanted, rtol=1e-4, atol=1e-6)
        if fitted.input == "vector":  # bit for bit, so that the decision at the threshold is one decision
            np.testing.assert_array_equal(got, wanted)


def test_scoring_is_in_eval_mode_and_leaves_no_trace(fitted: Detector) -> None:
    assert fitted.module is not None
    x, before = samples(fitted, 6, 3), fitted.tensors()
    scores = fitted.score(x)
    fitted.module.train()
    np.testing.assert_array_equal(fitted.score(x), scores)
    assert not any(part.training for part in fitted.module.modules())
    assert all(np.array_equal(before[key], tensor) for key, tensor in fitted.tensors().items())


def test_scoring_writes_nothing_to_the_module(fitted: Detector) -> None:
    assert fitted.module is not None

    def attributes() -> dict[tuple[str, str], int]:
        assert fitted.module is not None
        parts = fitted.module.eval().named_modules()
        return {(name, key): id(value) for name, part in parts for key, value in vars(part).items()}

    before = attributes()
    sizes = {key: len(value) for key, value in vars(fitted.module).items() if hasattr(value, "__len__")}
    fitted.score(samples(fitted, 6, 3))
    if fitted.draws_maps:
        fitted.score_and_maps(samples(fitted, 6, 3))
    assert attributes() == before
    assert sizes == {key: len(value) for key, value in vars(fitted.module).items() if hasattr(value, "__len__")}


def test_eight_threads_score_as_one(fitted: Detector) -> None:
    parts = [samples(fitted, 5, seed) for seed in range(8)]
    expected = [fitted.score(part) for part in parts]
    with ThreadPoolExecutor(8) as pool:
        for got, wanted in zip(pool.map(fitted.score, parts), expected, strict=True):
            np.testing.assert_allclose(got, wanted, rtol=1e-5, atol=1e-6)
        if fitted.draws_maps:
            for (got, _), wanted in zip(pool.map(fitted.score_and_maps, parts), expected, strict=True):
                np.testing.assert_allclose(got, wanted, rtol=1e-4, atol=1e-5)


def test_the_module_takes_samples_as_they_are(fitted: Detector) -> None:
    """uint8 images, or float32 vectors: what comes before the network is part of it."""
    assert fitted.module is not None
    x = samples(fitted, 5, 3)
    assert x.dtype == (np.uint8 if fitted.input == "image" else np.float32)
    with torch.no_grad():
        found = fitted.module.eval()(torch.from_numpy(x))
    assert found.shape == (5,)
    assert found.dtype == torch.float32
    np.testing.assert_allclose(found.numpy(), fitted.score(x), rtol=1e-4, atol=1e-6)


def test_views_of_arrays_are_scored_by_content(fitted: Detector) -> None:
    x = samples(fitted, 6, 3)
    np.testing.assert_allclose(fitted.score(x[::-1]), fitted.score(x)[::-1], rtol=1e-4, atol=1e-6)
    np.testing.assert_array_equal(fitted.score(np.asfortranarray(x)), fitted.score(x))


def test_unfitted_detector_says_so(name: str) -> None:
    detector = make(name)
    for call in (detector.tensors, lambda: detector.score(samples(detector, 2, 0))):
        with pytest.raises(InputError, match=f"{name} detector is not fitted yet"):
            call()


# --- saving ----------------------------------------------------------------------------------------------------


def test_saved_is_loaded(name: str, fitted: Detector) -> None:
    """Through the bytes of a file, with the configuration that a model folder keeps."""
    x = samples(fitted, 9, 3)
    restored = make(name).load(load(save(fitted.tensors())))
    assert same(restored, fitted)
    np.testing.assert_array_equal(restored.score(x), fitted.score(x))


def test_tensors_that_do_not_fit_are_refused(name: str, fitted: Detector) -> None:
    tensors = fitted.tensors()
    last = list(tensors)[-1]
    for wrong in ({}, {k: v for k, v in tensors.items() if k != last}, {**tensors, last: np.zeros(3, np.float32)}):
        with pytest.raises(InputError, match=r"weights.safetensors does not fit config.json"):
            make(name).load(wrong)


# --- for people ------------------------------------------------------------------------------------------------


def test_attribution_maps(fitted: Detector) -> None:
    x = samples(fitted, 2, 3)
    if fitted.draws_maps:
        return
    if fitted.input == "vector":
        with pytest.raises(InputError, match="scores vectors"):
            attribution_maps(fitted, x)
        return
    maps = attribution_maps(fitted, x)
    assert [(m.shape, m.dtype) for m in maps] == [((SIDE, SIDE), np.float32)] * 2
    assert all(np.isfinite(m).all() and (m >= 0).all() and m.max() > 0 for m in maps)
    assert not np.allclose(maps[0], maps[1])


def test_methods_that_say_where_draw_maps(name: str, fitted: Detector) -> None:
    x = samples(fitted, 5, 3)
    if not fitted.draws_maps:
        assert not hasattr(fitted.module, "forward_with_maps")
        return
    scores, maps = fitted.score_and_maps(x)
    np.testing.assert_allclose(scores, fitted.score(x), rtol=1e-4, atol=1e-5)
    assert [(m.shape, m.dtype) for m in maps] == [((SIDE, SIDE), np.float32)] * 5
    assert all(np.isfinite(m).all() and m.std() > 0 for m in maps)
    for got, wanted in zip(fitted.score_and_maps(x[::-1], batch_size=2)[1], maps[::-1], strict=True):
        np.testing.assert_allclose(got, wanted, rtol=1e-3, atol=1e-5)


def test_examples_are_images(fitted: Detector) -> None:
    for kind, images in fitted.examples.items():
        assert kind in ("fake-normal", "fake-anomalous", "buffered")
        assert images.dtype == np.uint8
        assert images.shape[1:] == (SIDE, SIDE, 3)
