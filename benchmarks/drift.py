"""False alarms and delays of the drift monitor, on pictures of the demo's parts and the scores of a tiny model.

    python benchmarks/drift.py --seeds 20 --out results/drift.jsonl
    python benchmarks/drift.py --out results/drift.jsonl --only-summarise

Every picture is made, measured by `service/drift/pictures.py` and scored: the largest deviation from a linear model of
1,000 good pictures, in blocks of 4 x 4 pixels. A line draws from 5,000 good pictures, 2,000 others with a lamp dimmed
by 15 %, 2,000 with a lamp of 4,500 K in place of 5,000 K and 1,000 bad parts, with replacement, so that the parts of a
line are independent of each other. One line of JSON a run: its figures, or the part at which the alarm came (0: none)
and its kind.

With MAPIE installed (pip install mapie), its online martingale test looks at the same scores; without, those runs are
skipped.
"""

import argparse
import importlib.util
import json
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binomtest
from sklearn.decomposition import PCA
from sklearn.metrics import roc_auc_score

from algan_ad.data.demo_part import DEFECTS, make_part
from algan_ad.runtime.calibration import Calibration
from algan_ad.runtime.images import Pixels
from algan_ad.service.drift.monitor import NAMES, DriftSettings, DriftState, Monitor
from algan_ad.service.drift.pictures import FIGURES, figures
from algan_ad.service.page.words import Words

Values = NDArray[np.float64]  # (parts, 1 + figures): score and figures of each part
Run = dict[str, Any]

SIZE, DIMMED = 64, 0.85
KELVIN = 5000, 4500  # before and after a lamp of another colour
WAVELENGTHS = np.array([610, 550, 465]) * 1e-9  # m, where red, green and blue of a camera are most sensitive
GOOD_PARTS = 10_000  # of a line on which nothing happens
SETTINGS = DriftSettings()
FOUND_WITHIN = 5000  # parts after a change that are looked at
#: Share of bad parts, and pool of the others, after a change.
AFTER = {"lamp": (0, "dimmed"), "colour": (0, "warmer"), "defects": (0.05, "good")}
RATES = (1_000_000, 20_000)  # good parts to a false alarm, as promised
MAPIE_LEVEL = 0.01  # the chance of a false alarm, ever: that of SETTINGS within GOOD_PARTS


class TinyModel:
    """A linear model of good pictures; the score is the largest mean deviation of a block, in standard deviations."""

    def __init__(self, pictures: Sequence[Pixels]) -> None:
        flat = self._flat(pictures)
        self._pca = PCA(3, random_state=0).fit(flat)  # so few that the score depends on the light, as others do
        self._noise = self._rest(flat).std(0) + 4

    def scores(self, pictures: Sequence[Pixels]) -> NDArray[np.float64]:
        """Raw scores, float64 (N,)."""
        rest = np.abs(self._rest(self._flat(pictures)) / self._noise).reshape(-1, SIZE // 4, 4, SIZE // 4, 4)
        return rest.mean((2, 4)).max((1, 2))

    def _flat(self, pictures: Sequence[Pixels]) -> NDArray[np.float64]:
        return np.stack(pictures).mean(-1).reshape(len(pictures), -1)

    def _rest(self, flat: NDArray[np.float64]) -> NDArray[np.float64]:
        return flat - self._pca.inverse_transform(self._pca.transform(flat))


class Pools:
    """The values of good parts, of good parts under a dimmed lamp or one of another colour, and of bad parts."""

    def __init__(self, scale: float) -> None:
        good, changed, bad = (round(scale * count) for count in (5000, 2000, 1000))
        self._model = TinyModel([make_part((0, 0, i), SIZE)[0] for i in range(1000)])
        kinds = list(DEFECTS)
        self.good = self._values(make_part((0, 1, i), SIZE)[0] for i in range(good))
        self.dimmed = self._values(dimmed_picture(make_part((0, 2, i), SIZE)[0]) for i in range(changed))
        self.warmer = self._values(warmer_picture(make_part((0, 4, i), SIZE)[0]) for i in range(changed))
        self.bad = self._values(make_part((0, 3, i), SIZE, kinds[i % len(kinds)])[0] for i in range(bad))

    def _values(self, pictures: Iterator[Pixels]) -> Values:
        rows = []
        for picture in pictures:
            found = figures(picture)
            rows.append([self._model.scores([picture])[0], *(found[name] for name in FIGURES)])
        return np.array(rows)

    def facts(self) -> Run:
        """What the changes do to each value: the AUROC of changed against good parts."""
        facts: Run = {"run": "pools"}
        for name, changed in (("dimmed", self.dimmed), ("warmer", self.warmer), ("bad", self.bad)):
            labels = np.r_[np.zeros(len(self.good)), np.ones(len(changed))]
            pairs = zip(NAMES, np.r_[self.good, changed].T, strict=True)
            facts[name] = {each: round(float(roc_auc_score(labels, values)), 3) for each, values in pairs}
        return facts


def dimmed_picture(picture: Pixels) -> Pixels:
    """The same part under a lamp of 85 % of the light."""
    return (picture * DIMMED + 0.5).astype(np.uint8)


def warmer_picture(picture: Pixels) -> Pixels:
    """The same part under a black body of 4,500 K in place of 5,000 K, as bright in the green (Planck's law).

    Pixels are taken as light to the power of 1 / 2.2.
    """
    before, after = (np.exp(-0.014388 / (WAVELENGTHS * kelvin)) for kelvin in KELVIN)  # Wien's form of it
    gains = ((after / before) / (after / before)[1]) ** (1 / 2.2)
    return np.minimum(picture * gains + 0.5, 255).astype(np.uint8)


class Line:
    """Parts drawn at random, good except for a share of bad ones."""

    def __init__(self, pools: Pools, seed: int, calibration: int) -> None:
        self._pools, self._rng = pools, np.random.default_rng([11, seed])
        self.calibration = self._draw(pools.good, calibration)[:, 0]

    def parts(self, count: int, bad: float = 0, lamp: str = "good") -> Values:
        """Values of some parts. lamp: the pool of those that are not bad."""
        parts = self._draw(getattr(self._pools, lamp), count)
        return np.where(self._rng.random((count, 1)) < bad, self._draw(self._pools.bad, count), parts)

    def _draw(self, pool: Values, count: int) -> Values:
        return pool[self._rng.integers(0, len(pool), count)]


def monitor_of(line: Line) -> Monitor:
    """A monitor before the first part."""
    return Monitor(SETTINGS, DriftState.start(Calibration(scores=line.calibration, false_alarm_rate=0.05)))


def observe(monitor: Monitor, parts: Values, start: int) -> Iterator[Any]:
    """What a monitor says of each part."""
    for number, (score, *rest) in enumerate(parts.tolist(), start):
        yield monitor.observe(number, score, dict(zip(FIGURES, rest, strict=True)))


def good(pools: Pools, seed: int, bad: float, calibration: int) -> Run:
    """A line on which nothing happens: the alarm, and the largest evidence of any test, as R / number of tests."""
    line = Line(pools, seed, calibration)
    monitor, start, most, alarm = monitor_of(line), perf_counter(), 0.0, None
    for alarm in observe(monitor, line.parts(GOOD_PARTS, bad), 1):
        most = max(most, *(monitor.evidence.get(name, 0.0) for name in NAMES))
        if alarm is not None:
            break
    return {"run": "good", "bad": bad, "calibration": calibration, "seed": seed, "kind": alarm and alarm.kind,
            "evidence": most * SETTINGS.good_parts, "part": monitor.state.part if alarm else 0,
            "ms": 1000 * (perf_counter() - start) / monitor.state.part}  # fmt: skip


def changed(pools: Pools, seed: int, change: str, calm: int, calibration: int) -> Run:
    """A line on which something happens after some good parts: the parts from there to the alarm, and its kind."""
    line = Line(pools, seed, calibration)
    monitor = monitor_of(line)
    run: Run = {"run": change, "calm": calm, "calibration": calibration, "seed": seed, "kind": None, "part": 0}
    if any(observe(monitor, line.parts(calm), 1)):
        return {**run, "kind": "false alarm"}
    parts = line.parts(FOUND_WITHIN, *AFTER[change])
    for number, alarm in enumerate(observe(monitor, parts, calm + 1), 1):
        if alarm is not None:
            found = {
                "kind": alarm.kind,
                "part": number,
                "since": alarm.since - calm,
                "message": alarm.message(Words("en")),
            }
            return run | found
    return run


def mapie(pools: Pools, seed: int, change: str, calm: int, calibration: int, fixed: bool) -> Run:
    """MAPIE's jumper martingale on the same scores. fixed: p-values against the calibration scores alone."""
    from mapie.exchangeability_testing import OnlineMartingaleTest

    line = Line(pools, seed, calibration)
    test = OnlineMartingaleTest(test_level=MAPIE_LEVEL, random_state=seed, warn=False)
    scores = line.parts(GOOD_PARTS if change == "good" else calm)[:, 0]
    if change != "good":
        after = line.parts(FOUND_WITHIN, *AFTER[change])
        scores = np.r_[scores, after[:, 0]]
    history = np.r_[line.calibration, scores]
    if not fixed:  # as it is meant: the calibration scores are its first values
        for i in range(calibration):
            test.update_simple_jumper_martingale(test.compute_p_value(history[i], history[:i]))
    run: Run = {"run": f"mapie {change}", "calm": calm, "calibration": calibration, "fixed": fixed, "seed": seed}
    for i, score in enumerate(scores):
        known = line.calibration if fixed else history[: calibration + i]
        if test.update_simple_jumper_martingale(test.compute_p_value(score, known)) >= test.reject_threshold:
            return {**run, "kind": "alarm", "part": i + 1 - (0 if change == "good" else calm)}
    return {**run, "kind": None, "part": 0}


def all_runs(pools: Pools, seeds: int) -> Iterator[Run]:
    yield pools.facts()
    for seed in range(seeds):
        for calm in (200, 1000):
            yield changed(pools, seed, "lamp", calm, 200)
            yield changed(pools, seed, "colour", calm, 200)
        for calm, calibration in ((1000, 200), (5000, 200), (1000, 40), (1000, 1000)):
            yield changed(pools, seed, "defects", calm, calibration)
        for bad in (0, 0.01):
            yield good(pools, seed, bad, 200)
        if importlib.util.find_spec("mapie") is not None:
            for fixed in (False, True):
                yield mapie(pools, seed, "good", GOOD_PARTS, 200, fixed)
            for change in ("lamp", "defects"):
                yield mapie(pools, seed, change, 1000, 200, False)


def summarise(runs: Sequence[Run]) -> None:
    """Print the figures of each group of runs."""
    groups: dict[str, list[Run]] = defaultdict(list)
    for run in runs:
        keys = ("run", "bad", "calm", "calibration", "fixed")
        groups[" ".join(f"{key}={run[key]}" for key in keys if key in run)].append(run)
    for name, group in groups.items():
        print(name)
        if "seed" not in group[0]:
            print("   ", group[0])
            continue
        kinds = {str(kind): sum(run["kind"] == kind for run in group) for kind in {run["kind"] for run in group}}
        parts = sorted(run["part"] for run in group if run["part"] > 0)
        middle = f"median {np.median(parts):.0f}, largest {parts[-1]}" if parts else "none"
        early = sum(run["part"] < 0 for run in group)
        print(f"    {len(group)} runs; {kinds}; parts to the alarm: {middle}; alarms before the change: {early}")
        if since := sorted(run["since"] for run in group if "since" in run):
            print(f"    estimated change, parts after the true one: {since}")
        if "evidence" in group[0]:
            for rate in RATES:
                alarms, bound = sum(run["evidence"] >= rate for run in group), GOOD_PARTS / rate
                test = binomtest(alarms, len(group), bound, "greater")
                interval = binomtest(alarms, len(group)).proportion_ci(0.95, "exact")
                print(f"    promise 1 in {rate}: {alarms} alarms, at most {bound:.0%} of runs (p = {test.pvalue:.2g}); "
                      f"95 % interval {interval.low:.1%} to {interval.high:.1%}")  # fmt: skip
            print(f"    {np.mean([run['ms'] for run in group]):.2f} ms a part")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--scale", type=float, default=1, help="of the pools, for a trial")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--only-summarise", action="store_true", help="the runs that `out` holds already")
    options = parser.parse_args()
    if not options.only_summarise:
        options.out.parent.mkdir(parents=True, exist_ok=True)
        with options.out.open("w") as file:
            for run in all_runs(Pools(options.scale), options.seeds):
                print(json.dumps(run), file=file, flush=True)
    summarise([json.loads(line) for line in options.out.read_text().splitlines()])


if __name__ == "__main__":
    main()
