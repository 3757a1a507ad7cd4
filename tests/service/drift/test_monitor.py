"""The monitor of a model: which alarm, since when, in which words; restarts; state."""

from collections.abc import Callable

import numpy as np
import pytest

from algan_ad.runtime.calibration import Calibration
from algan_ad.runtime.errors import InputError
from algan_ad.service.drift.alarms import Alarm
from algan_ad.service.drift.monitor import DriftSettings, DriftState, Monitor
from algan_ad.service.drift.pictures import FIGURES
from algan_ad.service.page.words import Words

SETTINGS = DriftSettings()
EN = Words("en")
Values = dict[str, float]
Change = Callable[[Values], None]


def still(values: Values) -> None:
    """Change nothing."""


def dim(values: Values) -> None:
    values["brightness"] *= 0.85
    values["score"] += 2


def worse(values: Values) -> None:
    values["score"] += 1.5


class Line:
    """A line that sends parts to a monitor."""

    def __init__(self, seed: int = 0, state: DriftState | None = None) -> None:
        self.rng, self.part = np.random.default_rng(seed), 0
        scores = self.rng.normal(size=200)
        self.start = state or DriftState.start(Calibration(scores=scores, false_alarm_rate=0.05))
        self.monitor = Monitor(SETTINGS, self.start)

    def values(self) -> Values:
        normal = self.rng.normal
        return {
            "score": normal(), "brightness": normal(100, 4), "contrast": normal(0.7, 0.02),
            "sharpness": normal(0.24, 0.01), "red": normal(0.33, 0.002), "blue": normal(0.34, 0.002),
            "width": 640, "height": 480,
        }  # fmt: skip

    def send(self, parts: int, change: Change = still) -> Alarm | None:
        """Send parts until the first alarm."""
        for _ in range(parts):
            self.part += 1
            values = self.values()
            change(values)
            alarm = self.monitor.observe(self.part, values.pop("score"), values)
            if alarm is not None:
                return alarm
        return None


@pytest.fixture
def line() -> Line:
    """A line in order, for 600 parts."""
    made = Line()
    assert made.send(600) is None
    return made


def test_a_weaker_lamp_is_an_alarm_of_light_and_not_of_scores(line: Line) -> None:
    alarm = line.send(60, dim)
    assert alarm is not None
    assert alarm.kind == "light"
    assert abs(alarm.since - 601) <= 2
    assert alarm.figure == "brightness"
    assert alarm.also == ("scores",)
    assert alarm.message(EN).startswith(f"The pictures have become darker since inspection {alarm.since}: of ")
    assert "Mean of brightness 8" in alarm.message(EN)
    assert "Changed as well: scores. Check the lamp, the exposure" in alarm.message(EN)


def test_parts_that_score_high_in_unchanged_pictures_are_an_alarm_of_scores(line: Line) -> None:
    alarm = line.send(100, worse)
    assert alarm is not None
    assert (alarm.kind, alarm.also) == ("scores", ())
    assert alarm.message(EN).startswith(f"More parts score high since inspection {alarm.since}: ")
    assert "The pictures themselves have not changed. Look at the parts flagged since then." in alarm.message(EN)


def test_a_few_extreme_pictures_are_no_change_of_the_pictures(line: Line) -> None:
    """Bad parts may look extreme, and score high: 5 % of them are more defects."""

    def defects(values: Values) -> None:
        if line.rng.random() < 0.05:
            values.update(score=9, brightness=140, contrast=1, sharpness=1)

    assert line.send(1400) is None
    alarm = line.send(1000, defects)
    assert alarm is not None
    assert alarm.kind == "scores"


@pytest.mark.parametrize(
    ("change", "kind", "words"),
    [
        ({"blue": -0.01}, "colour", "The pictures have become less blue"),
        ({"contrast": -0.1}, "light", "The contrast of the pictures has fallen"),
        ({"sharpness": -0.05}, "focus", "The pictures have become blurred"),
        ({"width": 8, "sharpness": 0.5, "brightness": 90}, "picture size", "The pictures have become wider"),
        ({"score": -2}, "scores", "The scores have fallen"),
    ],
)
def test_each_change_has_its_kind(line: Line, change: Values, kind: str, words: str) -> None:
    def shift(values: Values) -> None:
        values.update({name: values[name] + by for name, by in change.items()})

    alarm = line.send(100, shift)
    assert alarm is not None
    assert alarm.kind == kind
    assert alarm.message(EN).startswith(words)


def test_pictures_that_cannot_be_compared_yet_are_not_called_unchanged() -> None:
    alarm = Line().send(150, lambda values: values.update(score=values["score"] + 4))
    assert alarm is not None
    assert alarm.kind == "scores"
    assert "The pictures cannot be compared yet" in alarm.message(EN)


def test_an_alarm_comes_once_until_it_is_acknowledged_and_again_if_nothing_was_mended(line: Line) -> None:
    assert line.send(60, dim) is not None
    assert line.send(200, dim) is None
    line.monitor.acknowledge("light")
    acknowledged = line.part
    again = line.send(60, dim)
    assert again is not None
    assert again.since == acknowledged + 1


def test_after_an_alarm_that_was_put_right_everything_is_as_at_first(line: Line) -> None:
    references = line.monitor.state.references
    assert line.send(60, dim) is not None
    line.monitor.acknowledge("light")
    assert line.monitor.state == DriftState.start(
        Calibration(scores=references["scores"], false_alarm_rate=0.05), references
    ).model_copy(update={"progress": line.monitor.state.progress, "part": line.part})
    assert line.monitor.state.part == line.part
    assert all(each.values == 0 for each in line.monitor.state.progress.values())
    assert line.send(500) is None


def test_a_change_accepted_as_normal_is_the_new_reference(line: Line) -> None:
    assert line.send(60, dim) is not None
    line.monitor.acknowledge("light", normal=True)
    assert line.send(700, dim) is None
    alarm = line.send(100)
    assert alarm is not None
    assert alarm.message(EN).startswith("The pictures have become brighter")


def test_an_open_alarm_of_scores_does_not_hide_the_lamp(line: Line) -> None:
    assert line.send(100, worse) is not None
    alarm = line.send(60, dim)
    assert alarm is not None
    assert alarm.kind == "light"
    assert line.monitor.state.open == ("scores", "light")
    line.monitor.acknowledge("light")
    assert line.monitor.state.open == ("scores",)
    line.monitor.acknowledge("scores")
    assert line.send(500) is None


def test_a_monitor_that_is_stored_after_every_part_ends_at_the_same_bits() -> None:
    whole, cut = Line(1), Line(1)
    for parts, change in ((230, still), (60, worse), (60, dim)):
        for _ in range(parts):
            whole.send(1, change)
            cut.send(1, change)
            stored = cut.monitor.state.model_dump_json()
            cut.monitor = Monitor(SETTINGS, DriftState.model_validate_json(stored))
    assert cut.monitor.state == whole.monitor.state
    assert whole.monitor.state.open == ("scores", "light")


def test_scores_without_a_guarantee_are_compared_with_those_of_the_first_parts() -> None:
    chosen = Calibration(scores=range(100), false_alarm_rate=0.05, also_selected=True)
    assert "scores" in DriftState.start(chosen).learning
    line = Line(state=DriftState.start(chosen))
    assert line.send(200) is None
    assert line.monitor.state.learning == ()
    assert len(line.monitor.state.references["scores"]) == 200


@pytest.mark.parametrize("values", [{"brightness": float("nan")}, {"width": None}])
def test_a_figure_that_is_missing_or_not_finite_is_refused_and_changes_nothing(values: Values) -> None:
    line = Line()
    before = line.monitor.state
    with pytest.raises(InputError, match=f"part 1: expected a finite number for {next(iter(values))}$"):
        line.send(1, lambda given: given.update(values))
    assert line.monitor.state == before


def test_a_part_that_comes_again_is_refused(line: Line) -> None:
    line.part -= 1
    with pytest.raises(InputError, match="part 600: expected a number above 600"):
        line.send(1)


def test_an_alarm_that_is_not_open_cannot_be_acknowledged(line: Line) -> None:
    with pytest.raises(InputError, match="there is no open alarm of focus"):
        line.monitor.acknowledge("focus")


def test_the_evidence_is_a_share_of_the_limit(line: Line) -> None:
    assert set(line.monitor.evidence) == {"scores", *FIGURES}
    assert all(0 < share < 0.1 for share in line.monitor.evidence.values())
    line.send(60, dim)
    assert line.monitor.evidence["brightness"] > 1
