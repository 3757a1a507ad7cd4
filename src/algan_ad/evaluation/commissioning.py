"""What to expect of a model before any real defect is at hand: `commissioning.json`.

Made-up defects of graded size and contrast on held-out good images show from which size on the threshold finds them.
The scores of the calibration alone give the false alarms to expect.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal, Self

import numpy as np
from numpy.typing import ArrayLike
from pydantic import Field

from algan_ad.evaluation.metrics import Floats
from algan_ad.evaluation.results import ImageScore
from algan_ad.runtime.calibration import Calibration
from algan_ad.runtime.files import write_json
from algan_ad.runtime.protocols import Protocol
from algan_ad.runtime.schema import Schema

WANTED = 0.9  # share of the defects of a size that are to be found
LEVEL = 0.95  # of intervals
RESAMPLES = 1000
LOST = 0.5  # a defect that keeps less than this share of its contrast is lost in the resizing
ODD = 0.9  # a score above this share of those of good images lies among the odd ones

Interval = tuple[float | None, float | None]


class Trial(Schema):
    """One made-up defect on one good image.

    Attributes:
        size: longest extent, pixels of the original image.
        contrast: grey levels of 255.
        area: pixels of the original image that changed.
        kept: share of its contrast that is left in the picture that the detector sees.
        found: score > threshold.
    """

    path: str
    kind: str
    size: int
    contrast: int
    area: int
    kept: float
    score: float
    found: bool


class Rate(Schema):
    """The share of n made-up defects that was found; of all kinds together where `kind` is None."""

    kind: str | None
    contrast: int
    size: int
    n: int
    found: int


class Smallest(Schema):
    """The size in pixels from which on 90 % are found, with its interval; None where the largest is not."""

    kind: str | None
    contrast: int
    size: float | None
    interval: Interval


class Count(Schema):
    """False alarms among so many good parts: how many on average, and the 95 % prediction interval of one count."""

    parts: int
    expected: float
    interval: tuple[int, int]


class FalseAlarms(Schema):
    """False alarms that the threshold leads to.

    Attributes:
        rate: the mean over draws of the held-out images, k / (n + 1).
        interval: 95 % interval of the rate of this one model.
        approximate: the held-out scores are not quite those of new parts (see `Calibration.guaranteed_rate`).
    """

    rate: float
    interval: tuple[float, float]
    per_1000: Count
    per_shift: Count | None
    approximate: bool


class Near(ImageScore):
    """A good image that is next to be flagged; `peak` is the place (x, y) of the highest value of its map, in pixels of
    the original image, None without a map of the method's own."""

    peak: tuple[int, int] | None = None


class Misses(Schema):
    """Reasons of the misses, as shares of them, and of the nearest good images.

    Attributes:
        n: made-up defects that were missed.
        lost: share that lost more than half of its contrast when the image was resized: a higher resolution helps.
        hidden: share of the others whose score is above that of nine good images in ten: a few odd good images keep the
            threshold up, and more good images like them help.
        faint: the rest, which hardly differs from good images: light and camera help.
        outside: share of the nearest good images whose peak lies off the part or at the rim of the picture: a region of
            interest helps. None without maps.
        background: share of the picture that is not the part.
        scale: pixels of the original image in one of the picture that the detector sees.
        calibration_needed: held-out images that the wanted rate of false alarms takes; `calibration_n` are there.
    """

    n: int
    lost: float
    hidden: float
    faint: float
    outside: float | None
    background: float
    scale: float
    calibration_n: int
    calibration_needed: int


class Commissioning(Schema):
    """What a model is expected to find, and to flag by mistake.

    Attributes:
        images: good images that defects were made up on; none of them was trained on or flagged.
        held_out: where they are from; images that calibrate set the threshold, others have no part in the model.
        mm_per_pixel: of the original images; None where it is not known.
    """

    schema_version: Literal[1] = 1
    method: str
    dataset: str
    protocol: Protocol
    seed: int
    threshold: float
    images: int
    held_out: Literal["test", "calibration", "test and calibration"]
    mm_per_pixel: float | None = Field(default=None, gt=0)
    sizes: tuple[int, ...]
    contrasts: tuple[int, ...]
    kinds: tuple[str, ...]
    rates: tuple[Rate, ...]
    smallest: tuple[Smallest, ...]
    false_alarms: FalseAlarms
    misses: Misses
    nearest: tuple[Near, ...]
    trials: tuple[Trial, ...]

    def of(self, kind: str | None, contrast: int) -> Smallest:
        """The smallest defect of a kind (None: of all together) and contrast."""
        return next(each for each in self.smallest if (each.kind, each.contrast) == (kind, contrast))

    def curve(self, contrast: int) -> list[Rate]:
        """The rates of all kinds together, by size."""
        return [each for each in self.rates if each.kind is None and each.contrast == contrast]

    def summary(self) -> dict[str, object]:
        """All but the single trials, JSON-able."""
        return self.model_dump(mode="json", exclude={"trials"})

    def write(self, path: Path) -> Self:
        """Write `commissioning.json` atomically."""
        write_json(path, self.model_dump(mode="json"))
        return self


def count_found(trials: Sequence[Trial]) -> tuple[Rate, ...]:
    """The rates of each kind, contrast and size among the trials, and those of all kinds together (first)."""
    kinds: list[str | None] = [None, *dict.fromkeys(each.kind for each in trials)]
    cells = sorted({(each.contrast, each.size) for each in trials})
    rates = []
    for kind in kinds:
        for contrast, size in cells:
            found = [t.found for t in trials if kind in (None, t.kind) and (t.contrast, t.size) == (contrast, size)]
            if found:
                rates.append(Rate(kind=kind, contrast=contrast, size=size, n=len(found), found=sum(found)))
    return tuple(rates)


def find_smallest(rates: Sequence[Rate]) -> tuple[Smallest, ...]:
    """The smallest defect that is found in 90 % of the cases, of each kind and contrast.

    The interval is that of a parametric bootstrap: so many defects of each size, found with the probability
    (found + 1/2) / (n + 1), which Jeffreys' prior gives.
    """
    groups = dict.fromkeys((each.kind, each.contrast) for each in rates)
    return tuple(_smallest(kind, contrast, rates) for kind, contrast in groups)


def _smallest(kind: str | None, contrast: int, rates: Sequence[Rate]) -> Smallest:
    chosen = sorted(
        (each for each in rates if (each.kind, each.contrast) == (kind, contrast)), key=lambda each: each.size
    )
    sizes, n, found = (np.array([getattr(each, name) for each in chosen]) for name in ("size", "n", "found"))
    draws = np.random.default_rng(0).binomial(n, (found + 0.5) / (n + 1), (RESAMPLES, len(n)))
    drawn, tail = np.sort(smallest_size(sizes, draws, n)), round((1 - LEVEL) / 2 * RESAMPLES)
    return Smallest(
        kind=kind,
        contrast=contrast,
        size=_finite(smallest_size(sizes, found, n)),
        interval=(_finite(drawn[tail]), _finite(drawn[-1 - tail])),
    )


def smallest_size(sizes: ArrayLike, found: ArrayLike, n: ArrayLike) -> Floats:
    """Size at which the detection rate reaches 90 %, in the unit of `sizes`; infinite where it does not.

    A larger defect of the same kind is no harder to find, so that the nearest rising rates, in the sense of least
    squares, take the place of the rates (isotonic regression). Between two sizes they are interpolated on the logarithm
    of the size, on which curves of the probability of detection are drawn (MIL-HDBK-1823A, 2009). Where the first size
    reaches 90 %, it is the result: smaller ones were not tried.

    Args:
        sizes: (m,), rising, > 0.
        found: (..., m), defects found of each size.
        n: (m,), defects made up of each size.

    Returns:
        float64 (...).
    """
    rates, logs = _rising(np.asarray(found, np.float64), np.asarray(n, np.float64)), np.log(np.asarray(sizes))
    reached = rates >= WANTED - 1e-9
    first = reached.argmax(-1)[..., None]
    before = np.maximum(first - 1, 0)
    low, high = (np.take_along_axis(rates, at, -1) for at in (before, first))
    share = np.where(high > low, (WANTED - low) / np.where(high > low, high - low, 1), 0)
    size = np.exp(logs[before] + share * (logs[first] - logs[before]))
    return np.where(reached.any(-1), size[..., 0], np.inf)


def _rising(found: Floats, n: Floats) -> Floats:
    """The rising rates (..., m) nearest to found / n: at each place the largest, over all starts before it, of the
    least mean, over all ends behind it (Barlow et al. 1972, Statistical Inference under Order Restrictions)."""
    m = len(n)
    mean = {(j, k): found[..., j : k + 1].sum(-1) / n[j : k + 1].sum() for j in range(m) for k in range(j, m)}
    return np.stack(
        [
            np.max([np.min([mean[j, k] for k in range(i, m)], 0) for j in range(i + 1)], 0)
            for i in range(m)
        ],
        -1,
    )  # fmt: skip


def expect_false_alarms(calibration: Calibration, parts_per_shift: int | None = None) -> FalseAlarms:
    """The false alarms of a threshold that is the k-th largest of n held-out scores.

    The rate of one model is distributed as Beta(k, n + 1 - k) over draws of the held-out images (Vovk 2012, Conditional
    validity of inductive conformal predictors, prop. 2a; exact for scores without ties), its mean is k / (n + 1). The
    number among so many parts is then beta-binomial.
    """
    from scipy import stats

    n = calibration.n
    k = round(calibration.nominal_rate * (n + 1))
    tails = [(1 - LEVEL) / 2, (1 + LEVEL) / 2]
    low, high = stats.beta.ppf(tails, k, n + 1 - k)

    def count(parts: int) -> Count:
        fewest, most = stats.betabinom.ppf(tails, parts, k, n + 1 - k)
        return Count(parts=parts, expected=parts * k / (n + 1), interval=(int(fewest), int(most)))

    return FalseAlarms(
        rate=k / (n + 1),
        interval=(float(low), float(high)),
        per_1000=count(1000),
        per_shift=None if parts_per_shift is None else count(parts_per_shift),
        approximate=calibration.guaranteed_rate is None,
    )


def explain_misses(
    trials: Sequence[Trial], calibration: Calibration, outside: float | None, background: float, scale: float
) -> Misses:
    """The reasons of the misses among the trials; see `Misses` for the arguments."""
    missed = [each for each in trials if not each.found]
    odd = float(np.quantile(calibration.scores, ODD))
    lost = sum(each.kept < LOST for each in missed)
    hidden = sum(each.kept >= LOST and each.score > odd for each in missed)
    n = max(1, len(missed))
    return Misses(
        n=len(missed),
        lost=lost / n,
        hidden=hidden / n,
        faint=(len(missed) - lost - hidden) / n,
        outside=outside,
        background=background,
        scale=scale,
        calibration_n=calibration.n,
        calibration_needed=calibration.needed,
    )


def _finite(size: Floats) -> float | None:
    return float(size) if np.isfinite(size) else None
