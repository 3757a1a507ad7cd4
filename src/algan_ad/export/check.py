"""The refusal of a network that does not score as the trained model does."""

import numpy as np
from numpy.typing import NDArray

from algan_ad.data.made_up import KINDS, make_up
from algan_ad.detectors.shared.contract import Detector
from algan_ad.runtime.calibration import Calibration
from algan_ad.runtime.errors import ExportRefused
from algan_ad.runtime.predictor import Rows, Scores
from algan_ad.runtime.self_test import Reference, compare
from algan_ad.runtime.sessions import NetworkScorer

AGREEMENT = 1e-4  # most that a score may differ, in its distance from the mean of normal ones, or their deviation
ULPS = 8  # or in last places of float32, for scores that hardly differ from each other
N_HELD_OUT = 32  # samples; a method that looks at many views of an image takes fewer
N_MAPS = 4  # images whose maps are compared


def check_samples(held_out: Rows, views: int = 1, most: int = N_HELD_OUT) -> NDArray[np.generic]:
    """Held-out samples, each followed by an altered copy: uint8 (n, S, S, C) or float32 (n, d).

    Images get one of the seven made-up defects in their middle square, vectors are moved by three standard deviations;
    the last copy is as far from anything normal as can be, an image with its grey levels turned round.
    """
    n = max(1, min(len(held_out), most // views))
    good = np.asarray(held_out[np.linspace(0, len(held_out) - 1, n, dtype=np.int64)])
    altered = _altered_images(good) if good.ndim == 4 else _altered_vectors(good)
    return np.stack([good, altered], 1).reshape(2 * n, *good.shape[1:])


def _altered_images(good: NDArray[np.uint8]) -> NDArray[np.uint8]:
    altered = good.copy()  # marks of pixels that do not count stay
    side = min(good.shape[1:3])
    square = (slice(None), *(slice((length - side) // 2, (length + side) // 2) for length in good.shape[1:3]), slice(3))
    for i, kind in enumerate(KINDS):
        if len(part := good[square][i :: len(KINDS)]):
            altered[square][i :: len(KINDS)] = make_up(part, kind)[0]
    altered[-1, ..., :3] = 255 - good[-1, ..., :3]
    return altered


def _altered_vectors(good: NDArray[np.float32]) -> NDArray[np.float32]:
    good = good.astype(np.float32)
    deviations = good.std(0) + 0.01 * np.abs(good).mean()  # also of columns that are constant
    moved: NDArray[np.float64] = good + np.random.default_rng(0).normal(0, 3, good.shape) * deviations
    return moved.astype(np.float32)


def check(
    detector: Detector, scorer: NetworkScorer, samples: NDArray[np.generic], calibration: Calibration | None
) -> Reference:
    """The samples with the scores of the trained model, to repeat the check elsewhere.

    Raises ExportRefused unless the network's scores are those of the detector, alone and together, within AGREEMENT.
    A decision can then differ only for a score that is as near to the threshold as that.
    """
    trained = detector.score(samples)
    normal = trained if calibration is None or calibration.n < 2 else np.asarray(calibration.scores)
    rounding = np.finfo(np.float32).eps * np.abs(trained).max()
    reference = Reference(samples, trained, np.maximum(AGREEMENT * units(trained, normal), ULPS * rounding))
    found = compare(scorer, reference, None if calibration is None else calibration.threshold)
    if not found.holds:
        raise ExportRefused(f"the network does not score as the model does: {found.explain()}")
    if scorer.draws_maps:
        _check_maps(detector, scorer, samples[:N_MAPS])
    return reference


def units(scores: Scores, normal: Scores) -> Scores:
    """The distance of each score from the mean of normal ones, or their standard deviation where that is larger."""
    return np.asarray(np.maximum(np.abs(scores - normal.mean()), normal.std()))


def _check_maps(detector: Detector, scorer: NetworkScorer, images: NDArray[np.generic]) -> None:
    wanted, found = (np.stack(each.score_and_maps(images)[1]) for each in (detector, scorer))
    largest, most = np.abs(wanted - found).max(), AGREEMENT * wanted.std()
    if not largest <= most:
        raise ExportRefused(
            f"the network does not draw the model's maps: they differ by up to {largest:.2g} (allowed: {most:.2g})"
        )
