"""A monitor of one model on one station: a test of its scores, and one of each figure of the pictures.

A changed picture changes scores, and one figure may cross its limit a few parts after another. So an alarm waits for
some parts from the first crossing on, and then names the strongest change. A change of the pictures goes before one of
the scores: scores that change while the pictures do not mean other parts.

The rate of false alarms is divided by the number of tests (Bonferroni), because they depend on each other.
"""

from collections.abc import Mapping, Sequence

from pydantic import Field

from algan_ad.runtime.calibration import Calibration
from algan_ad.runtime.errors import InputError
from algan_ad.runtime.schema import Schema
from algan_ad.service.drift.alarms import KINDS, SCORES, Alarm, Kind
from algan_ad.service.drift.bets import OF_PICTURES, OF_SCORES
from algan_ad.service.drift.pictures import FIGURES
from algan_ad.service.drift.rank_test import Progress, RankTest

NAMES = (SCORES, *FIGURES)


class DriftSettings(Schema):
    """The settings of a monitor. They may change at any time."""

    good_parts: float = Field(
        default=1_000_000,
        ge=1000,
        description="a false alarm comes within N good parts with a chance of at most N / this",
    )
    reference_parts: int = Field(
        default=200, ge=20, description="first parts that the pictures of all later ones are compared with"
    )
    patience: int = Field(default=20, ge=0, description="parts that an alarm waits for other figures that change, too")


class DriftState(Schema):
    """Everything that a monitor knows, as JSON: one that goes on from here goes on to the same bits.

    references: values by the name of the figure; they change while they are learnt only. learning: names whose
    reference is not complete. progress: of the tests under way. part: number of the last part. settling: parts since a
    figure crossed its limit. open: alarms that nobody has acknowledged.
    """

    references: dict[str, tuple[float, ...]]
    learning: tuple[str, ...]
    progress: dict[str, Progress] = Field(default={})
    part: int = 0
    settling: int = 0
    open: tuple[Kind, ...] = ()

    @classmethod
    def start(
        cls, calibration: Calibration | None, references: Mapping[str, Sequence[float]] | None = None
    ) -> "DriftState":
        """The state before the first part.

        Args:
            calibration: of the threshold in use. Scores are compared with its own, except where it gives no guarantee:
                then with those of the first parts, as without one.
            references: of the pictures, where they are known, as from a former state; others are learnt.
        """
        known = {name: tuple(values) for name, values in (references or {}).items() if name in FIGURES and values}
        if calibration is not None and calibration.guaranteed_rate is not None:
            known[SCORES] = calibration.scores
        learning = tuple(name for name in NAMES if name not in known)
        return cls(references={name: known.get(name, ()) for name in NAMES}, learning=learning)


class Monitor:
    """A monitor that goes on from a state. One thread may use it at a time."""

    def __init__(self, settings: DriftSettings, state: DriftState) -> None:
        self._settings = settings
        self._references = {name: list(state.references[name]) for name in NAMES}
        self._learning = list(state.learning)
        self._part, self._settling, self._open = state.part, state.settling, list(state.open)
        self._tests = {name: self._test(name, state.progress.get(name)) for name in NAMES if name not in self._learning}

    @property
    def state(self) -> DriftState:
        """The state, to be stored."""
        return DriftState(
            references={name: tuple(values) for name, values in self._references.items()},
            learning=tuple(self._learning), progress={name: test.progress for name, test in self._tests.items()},
            part=self._part, settling=self._settling, open=tuple(self._open),
        )  # fmt: skip

    @property
    def part(self) -> int:
        """The number of the last part."""
        return self._part

    @property
    def learnt(self) -> dict[str, int]:
        """The parts so far of each reference that is being learnt."""
        return {name: len(self._references[name]) for name in self._learning}

    @property
    def evidence(self) -> dict[str, float]:
        """The evidence of each test under way as a share of its limit, from 0; 1: an alarm."""
        return {name: test.evidence / self._limit for name, test in self._tests.items()}

    def observe(self, part: int, score: float, figures: Mapping[str, float]) -> Alarm | None:
        """Take an inspected part into account, good or bad; an alarm when something has changed.

        Args:
            part: number of the inspection, larger than all before.
            score: raw.
            figures: of its picture, from `pictures.figures`.

        Raises InputError for a part that does not come after all before, for a value that is not finite and for a
        missing figure, and then has changed nothing.
        """
        if part <= self._part:
            raise InputError(f"part {part}: expected a number above {self._part}, that of the part before")
        values = {SCORES: score, **figures}
        if missing := [name for name in NAMES if not _finite(values.get(name))]:
            raise InputError(f"part {part}: expected a finite number for {', '.join(missing)}")
        self._part = part
        for name in self._under_way():
            if name in self._learning:
                self._learn(name, values[name])
            else:
                self._tests[name].observe(part, values[name])
        return self._settled()

    def pass_over(self, part: int) -> None:
        """Leave an inspected part out of account, whose figures are not those of this version."""
        self._part = part

    def recalibrate(self, calibration: Calibration) -> None:
        """Compare scores with another calibration from now on. Pictures and open alarms are left as they are."""
        fresh = DriftState.start(calibration)
        self._references[SCORES] = list(fresh.references[SCORES])
        self._learning = [name for name in self._learning if name != SCORES]
        self._learning += [name for name in fresh.learning if name == SCORES]
        self._tests.pop(SCORES, None)
        if SCORES not in self._learning:
            self._tests[SCORES] = self._test(SCORES)

    def acknowledge(self, kind: Kind, normal: bool = False) -> None:
        """Close an alarm and start again: all tests after a change of the pictures, otherwise that of the scores.

        normal: the parts from now on are the new reference; otherwise the former one counts, because the change was
        put right. Raises InputError for an alarm that is not open.
        """
        if kind not in self._open:
            raise InputError(f"drift: there is no open alarm of {kind}")
        again = (SCORES,) if kind == SCORES else NAMES
        self._open.remove(kind)
        self._settling = 0
        for name in again:
            if normal and name not in self._learning:
                self._learning.append(name)
            if name in self._learning:
                self._references[name] = []
                self._tests.pop(name, None)
            else:
                self._tests[name] = self._test(name)

    def _under_way(self) -> Sequence[str]:
        """The names that are tested or learnt now: none after a change of the pictures until it is acknowledged."""
        if not self._open:
            return NAMES
        return FIGURES if self._open == [SCORES] else ()

    def _learn(self, name: str, value: float) -> None:
        self._references[name].append(value)
        if len(self._references[name]) >= self._settings.reference_parts:
            self._learning.remove(name)
            self._tests[name] = self._test(name)

    def _settled(self) -> Alarm | None:
        """The alarm, once enough parts have passed since the first crossing."""
        crossed = [name for name in self._under_way() if name in self._tests and self._tests[name].crossed]
        if not crossed:
            self._settling = 0
            return None
        self._settling += 1
        if self._settling <= self._settings.patience:
            return None
        self._settling = 0
        first = max(crossed, key=lambda name: (_rank(name), self._tests[name].evidence))
        kind = KINDS[first]
        others = (*(name for name in crossed if name != first), *self._open)  # at most the scores are open here
        self._open.append(kind)
        known = not any(name in self._learning for name in FIGURES)
        return Alarm.of(first, self._tests[first].change, others, known)

    @property
    def _limit(self) -> float:
        """A of each test."""
        return self._settings.good_parts * len(NAMES)

    def _test(self, name: str, progress: Progress | None = None) -> RankTest:
        bets = OF_SCORES if name == SCORES else OF_PICTURES
        return RankTest(self._references[name], bets, self._limit, progress)


def _rank(name: str) -> int:
    """Causes before effects: the size of a picture changes its sharpness, and any change of it the scores."""
    return {"scores": 0, "picture size": 2}.get(KINDS[name], 1)


def _finite(value: float | None) -> bool:
    return value is not None and abs(value) < float("inf")
