"""The check that a network scores as its model did when it was trained, on samples that travel with it."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load, save

from algan_ad.runtime.errors import AlganError, InputError
from algan_ad.runtime.model_folder import ModelConfig
from algan_ad.runtime.predictor import Scorer, Scores
from algan_ad.runtime.running import Running
from algan_ad.runtime.sessions import open_network

SELF_TEST = "self-test.safetensors"
MOST_BYTES = 4 * 2**20  # of the samples in a model folder; two travel in any case


@dataclass(frozen=True)
class Reference:
    """Samples, uint8 (n, S, S, C) or float32 (n, d), with the scores that the trained model gave them, float64 (n,).

    tolerances: the most that each score may differ, in its own unit, float64 (n,).
    """

    samples: NDArray[Any]
    scores: Scores
    tolerances: Scores

    def spread(self, most: int) -> "Reference":
        """At most so many of the samples, evenly spread over all, the first and the last among them."""
        n = len(self.samples)
        kept = np.linspace(0, n - 1, min(n, most)).astype(np.int64)
        return Reference(self.samples[kept], self.scores[kept], self.tolerances[kept])

    def to_bytes(self) -> bytes:
        """The content of self-test.safetensors: as many of the samples as MOST_BYTES hold."""
        n = max(2, MOST_BYTES // max(1, self.samples[0].nbytes))
        tensors = {"samples": self.samples[:n], "scores": self.scores[:n], "tolerances": self.tolerances[:n]}
        return save({name: np.array(tensor, order="C") for name, tensor in tensors.items()})


@dataclass(frozen=True)
class Agreement:
    """Differences between the scores of a network and those of the trained model, in the unit of the scores.

    largest: of the sample that differs most, measured by its tolerance, scored alone and together. tolerance: of that
    sample. flips: samples that are decided otherwise, except those as near to the threshold as their tolerance.
    """

    n: int
    largest: float
    tolerance: float
    flips: int

    @property
    def holds(self) -> bool:
        """True when no score differs by more than the tolerance; False for NaN."""
        return self.largest <= self.tolerance

    def explain(self) -> str:
        """One sentence, for people."""
        return (
            f"of {self.n} samples, alone and together, the scores differ by up to {self.largest:.2g} "
            f"(allowed: {self.tolerance:.2g}), {self.flips} decisions differ"
        )


def compare(scorer: Scorer, reference: Reference, threshold: float | None) -> Agreement:
    """Scores of the reference's samples, once in batches of one and once in the scorer's own, against the trained ones.

    threshold: of the decisions; None: none are compared.
    """
    samples, trained = reference.samples, reference.scores
    alone = np.concatenate([scorer.score(samples[i : i + 1]) for i in range(len(samples))])
    found = np.stack([alone, scorer.score(samples)])
    differences, flips = np.abs(found - trained).max(0), 0
    worst = int(np.argmax(differences / reference.tolerances))
    if threshold is not None:
        clear = np.abs(trained - threshold) > reference.tolerances
        flips = int((((found > threshold) != (trained > threshold)).any(0) & clear).sum())
    return Agreement(len(samples), float(differences[worst]), float(reference.tolerances[worst]), flips)


def read_reference(folder: Path, files: Mapping[str, str]) -> Reference:
    """The samples that travel with a model; `files` are those of its configuration.

    Raises InputError where there are none, or where the file holds something else.
    """
    path = folder / SELF_TEST
    if SELF_TEST not in files:
        raise InputError(f"{folder}: holds no {SELF_TEST}; export the model again")
    try:
        tensors = load(path.read_bytes())
        samples, scores, tolerances = (tensors[name] for name in ("samples", "scores", "tolerances"))
    except (SafetensorError, KeyError, ValueError) as error:
        raise InputError(f"{path}: not the samples of a self-test ({error}); export the model again") from error
    if not len(samples) or not scores.shape == tolerances.shape == (len(samples),):
        raise InputError(f"{path}: {len(samples)} samples and scores of shape {scores.shape}; export the model again")
    return Reference(samples, scores, tolerances)


def self_test(folder: Path, running: Running | None = None) -> Agreement:
    """The agreement of the network of a model folder with the trained model, on this machine.

    Raises InputError without a network or its samples, AlganError where the scores differ.
    """
    config, scorer = open_network(folder, running)
    return check_scores(scorer, config, folder)


def check_scores(scorer: Scorer, config: ModelConfig, folder: Path, most: int | None = None) -> Agreement:
    """The agreement of a model that was opened from a folder with what was trained. Raises as `self_test` does.

    most: of the samples that are scored; None: all.
    """
    reference = read_reference(folder, config.files)
    threshold = None if config.calibration is None else config.calibration.threshold
    found = compare(scorer, reference if most is None else reference.spread(most), threshold)
    if not found.holds:
        raise AlganError(
            f"{folder}: self-test failed: {found.explain()}. On this machine the network does not score as the "
            "trained model did; use another version of its runtime, or export the model again"
        )
    return found
