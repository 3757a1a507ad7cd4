"""The monitor in a station: parts of the demo go in, alarms come out of the record, whatever is killed in between."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from io import BytesIO
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from sqlalchemy import select
from sqlalchemy.exc import OperationalError

from algan_ad.data.demo_part import DEFECTS, make_part
from algan_ad.runtime.calibration import Calibration
from algan_ad.runtime.images import Pixels, Preprocessing
from algan_ad.runtime.model_folder import ModelConfig
from algan_ad.runtime.predictor import Predictor, Rows, Scores
from algan_ad.service.drift.monitor import NAMES, DriftSettings
from algan_ad.service.inspection.part import Part
from algan_ad.service.page.words import texts
from algan_ad.service.record.alarms import AlarmFacts, acknowledge, open_alarms, raise_alarm
from algan_ad.service.record.outbox import add_sink, undelivered
from algan_ad.service.record.tables import AlarmRow, DriftRow, InspectionRow, ThresholdRow
from algan_ad.service.sinks.message import MESSAGE, message_of
from algan_ad.service.station import Station
from algan_ad.service.thresholds.versions import add_version, approve, calibration_of
from service.conftest import PLATES, Open, Shelf, client_of

SIZE, POOL = 32, 150
SETTINGS = DriftSettings(good_parts=20_000, reference_parts=60)
CALM = 200  # parts in order at the beginning


@dataclass
class Deviation:
    """A scorer: the largest deviation of a block of 4 x 4 pixels from the mean of good pictures, in deviations."""

    mean: NDArray[np.float64]
    deviation: NDArray[np.float64]

    def score(self, samples: Rows) -> Scores:
        rest = np.abs(np.asarray(samples).mean(-1) - self.mean) / self.deviation
        return rest.reshape(-1, SIZE // 4, 4, SIZE // 4, 4).mean((2, 4)).max((1, 2))


@cache
def good(first: int, n: int) -> NDArray[np.uint8]:
    """Pictures of good parts, uint8 (n, SIZE, SIZE, 3)."""
    return np.stack([make_part((0, first, i), SIZE)[0] for i in range(n)])


@cache
def model() -> Predictor:
    """A model of good parts, with the scores of others as its calibration."""
    grey_ones = good(0, POOL).mean(-1)
    scorer = Deviation(grey_ones.mean(0), grey_ones.std(0) + 4)
    config = ModelConfig(
        method="deviation", plan={}, input="image", preprocessing=Preprocessing(size=SIZE), protocol="normal-only",
        maps=None, calibration=Calibration(scores=scorer.score(good(1, 200)), false_alarm_rate=0.05), selection="none",
        fingerprint={}, seed=0, versions={}, training={}, files={"weights.safetensors": "0" * 64},
    )  # fmt: skip
    return Predictor(scorer, config)  # type: ignore[arg-type]


@cache
def file_of(picture: bytes) -> bytes:
    buffer = BytesIO()
    Image.fromarray(np.frombuffer(picture, np.uint8).reshape(SIZE, SIZE, 3)).save(buffer, "png", compress_level=1)
    return buffer.getvalue()


class Line:
    """A line that sends the same parts to every station."""

    def __init__(self) -> None:
        self.rng = np.random.default_rng(5)

    def send(self, station: Station, n: int, dim: float = 1, bad: float = 0) -> None:
        """Inspect parts: under a lamp of `dim` of the light, a share of them bad."""
        pictures = [self._picture(bad) for _ in range(n)]
        for start in range(0, n, 16):
            parts = [Part(file_of((each * dim).astype(np.uint8).tobytes())) for each in pictures[start : start + 16]]
            assert {each.verdict for each in station.inspector.inspect(parts)} <= {"ok", "anomalous"}
        station.drift.look()

    def _picture(self, bad: float) -> Pixels:
        if self.rng.random() < bad:
            kinds = list(DEFECTS)
            return bad_part(int(self.rng.integers(40)), kinds[self.rng.integers(len(kinds))])
        return good(2, POOL)[self.rng.integers(POOL)]


@cache
def bad_part(number: int, kind: str) -> Pixels:
    return make_part((0, 3, number), SIZE, kind)[0]


@pytest.fixture
def line(shelf: Shelf) -> Line:
    """A line whose model is that of the parts."""
    shelf.models[PLATES] = model()
    return Line()


@pytest.fixture
def open_calm(open_station: Open, line: Line) -> Callable[[], Station]:
    """A way to open the station."""
    return lambda: open_station(drift=SETTINGS, maps=False)


@pytest.fixture
def station(open_calm: Callable[[], Station], line: Line) -> Station:
    """A station after some parts in order, without an alarm."""
    made = open_calm()
    line.send(made, CALM)
    assert alarms(made) == []
    return made


def alarms(station: Station) -> list[AlarmFacts]:
    """Open alarms."""
    with station.record.reading() as session:
        return [AlarmFacts.of(row) for row in open_alarms(session)]


def state(station: Station) -> Any:
    """What a monitor knows after the last part, however long ago its state was stored."""
    return station.drift._followed["plates"].monitor.state


def test_a_dimmed_lamp_is_one_alarm_of_light_and_acknowledging_starts_again(station: Station, line: Line) -> None:
    station.record.write(lambda session: add_sink(session, "line"))
    line.send(station, 100, dim=0.8)
    (alarm,) = alarms(station)
    assert (alarm.kind, alarm.model, alarm.details["figure"]) == ("light", "plates", "brightness")
    assert alarm.since_inspection is not None
    assert abs(alarm.since_inspection - CALM - 1) <= 3
    assert alarm.message.startswith("The pictures have become darker since inspection ")
    with station.record.reading() as session:
        (event,) = [each for each in undelivered(session, "line", 1000) if each.event == "alarm"]
    MESSAGE.validate_python(message_of(event))
    assert event.payload == alarm.model_dump(mode="json")

    client = client_of(station)
    assert 'algan_alarms{kind="light",model="plates"} 1.0' in client.get("/metrics").text
    assert client.post(f"/v1/alarms/{alarm.id}/acknowledge").json()["id"] == alarm.id
    (entry,) = [each for each in client.get("/v1/audit-log").json() if each["action"] == "acknowledge alarm"]
    assert (entry["subject"], entry["details"]["normal"]) == ("light", False)
    assert "algan_alarms{" not in client.get("/metrics").text
    line.send(station, 100)  # the lamp was put right
    assert alarms(station) == []
    line.send(station, 60, dim=0.8)
    assert [each.kind for each in alarms(station)] == ["light"]
    assert alarms(station)[0].id > alarm.id


def test_a_change_that_is_normal_now_is_the_new_reference(station: Station, line: Line) -> None:
    line.send(station, 60, dim=0.8)
    (alarm,) = alarms(station)
    answer = client_of(station).post(f"/v1/alarms/{alarm.id}/acknowledge", json={"normal": True})
    assert answer.status_code == 200
    line.send(station, 10, dim=0.8)
    assert client_of(station).get("/v1/models/plates/drift").json()["learning"] == dict.fromkeys(NAMES, 10)
    line.send(station, 200, dim=0.8)
    assert alarms(station) == []
    line.send(station, 60)
    assert alarms(station)[0].message.startswith("The pictures have become brighter")


def test_more_defects_are_an_alarm_of_scores_and_not_of_light(station: Station, line: Line) -> None:
    line.send(station, 600, bad=0.05)
    assert [each.kind for each in alarms(station)] == ["scores"]
    assert "The pictures themselves have not changed." in alarms(station)[0].message


def test_good_parts_raise_nothing(station: Station, line: Line) -> None:
    line.send(station, 600)
    assert alarms(station) == []
    facts = station.drift.of("plates")
    assert (facts.part, facts.learning, set(facts.evidence)) == (CALM + 600, {}, set(NAMES))
    assert max(facts.evidence.values()) < 1


def test_parts_that_were_not_inspected_are_left_out(station: Station) -> None:
    before = state(station)
    station.inspector.inspect([Part(b"nonsense")])
    station.drift.look()
    assert state(station) == before


def test_a_part_without_its_figures_does_not_end_the_watch(station: Station, line: Line) -> None:
    """An altered row, or one of a version with other figures."""
    line.send(station, 1)
    before = station.drift.of("plates").part
    observe = station.drift._followed["plates"].monitor.observe
    refused = [before + 1]

    def without_figures(part: int, score: float, figures: Any) -> Any:
        return observe(part, score, {} if part in refused else figures)

    station.drift._followed["plates"].monitor.observe = without_figures  # type: ignore[method-assign]
    line.send(station, 3)
    assert station.drift.of("plates").part == before + 3


def scenario(open_: Callable[[], Station], line: Line, again: Callable[[], Station]) -> tuple[Any, list[Any]]:
    """A line on which much happens. again: is called in between. Returns the state at the end and all alarms."""
    station = open_()
    line.send(station, 150)
    station = again()
    line.send(station, 15, dim=0.8)  # within the patience of the alarm
    station = again()
    line.send(station, 45, dim=0.8)
    (alarm,) = alarms(station)
    station = again()
    station.record.write(lambda session: acknowledge(session, alarm.id, "Ada"))
    station = again()
    line.send(station, 90)
    station = again()
    line.send(station, 10)
    with station.record.reading() as session:
        rows = session.scalars(select(AlarmRow)).all()
    return state(station), [(row.kind, row.since_inspection, row.message, row.acknowledged_after) for row in rows]


def test_restarts_change_nothing(open_station: Open, line: Line, tmp_path: Any) -> None:
    def opened(name: str) -> Callable[[], Station]:
        return lambda: open_station(station=tmp_path / name, drift=SETTINGS, maps=False)

    kept: list[Station] = []

    def once() -> Station:
        kept.append(kept[0] if kept else opened("whole")())
        return kept[0]

    whole = scenario(once, line, once)
    line.rng = np.random.default_rng(5)
    assert scenario(opened("cut"), line, opened("cut")) == whole
    assert [each[0] for each in whole[1]] == ["light"]


def test_an_alarm_whose_commit_fails_comes_once_it_can(
    station: Station, line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> None:
        raise OperationalError("COMMIT", None, Exception("database or disk is full"))

    with monkeypatch.context() as broken:
        broken.setattr("algan_ad.service.drift.watch.store", full)
        line.send(station, 60, dim=0.8)
        assert alarms(station) == []
    station.drift.look()
    assert [each.kind for each in alarms(station)] == ["light"]
    station.drift.look()
    assert len(alarms(station)) == 1


def test_another_threshold_compares_scores_anew_and_goes_on_with_the_pictures(station: Station, line: Line) -> None:
    before = state(station)
    other = Calibration(scores=range(1, 60), false_alarm_rate=0.05)

    def put_to_use(session: Any) -> None:
        model_id = session.scalars(select(ThresholdRow)).one().model_id
        approve(session, model_id, add_version(session, model_id, other, "model", "Ada").number, "Ada")

    station.record.write(put_to_use)
    line.send(station, 5)
    after = state(station)
    assert after.references == before.references | {"scores": other.scores}
    assert [after.progress[each].values - before.progress[each].values for each in NAMES] == [5 - CALM] + [5] * 7
    station.drift._followed.clear()
    with station.record.reading() as session:  # what is stored is older, and the record has what came since
        assert calibration_of(session.get_one(ThresholdRow, session.get_one(DriftRow, "plates").threshold_id)) != other
    station.drift.look()
    assert state(station) == after


def test_a_record_of_an_older_version_begins_with_the_next_part(open_calm: Callable[[], Station], line: Line) -> None:
    station = open_calm()
    line.send(station, 20)

    def forget(session: Any) -> None:
        session.delete(session.get_one(DriftRow, "plates"))
        for row in session.scalars(select(InspectionRow)):
            row.figures = None

    station.record.write(forget)
    station = open_calm()
    line.send(station, 3)
    assert (station.drift.of("plates").part, station.drift.of("plates").learning["brightness"]) == (23, 3)


@pytest.mark.parametrize(("language", "headline"), [("en", "have become darker"), ("de", "sind dunkler geworden")])
def test_the_page_says_what_has_changed_and_closes_it(
    station: Station, line: Line, language: str, headline: str
) -> None:
    line.send(station, 60, dim=0.8)
    client = client_of(station)
    client.put(f"/preferences/language/{language}")
    words = texts(language)
    for path in ("/", "/trends", "/status"):
        page = client.get(path).text
        assert headline in page
        assert all(words[f"alarm.{each}"] in page for each in ("light", "put_right", "as_normal"))
    assert words["drift.title"] in client.get("/trends").text
    closed = client.post(f"/alarms/{alarms(station)[0].id}/acknowledge", data={"normal": "true"})
    assert headline not in closed.text
    line.send(station, 1, dim=0.8)
    page = client.get("/trends").text
    assert words["drift.learning"].format(n=1, all=60) in page


def test_only_drift_can_be_normal(open_station: Open) -> None:
    station = open_station()
    number = station.record.write(lambda session: raise_alarm(session, "clock", "it jumped").id)
    assert client_of(station).post(f"/v1/alarms/{number}/acknowledge", json={"normal": True}).status_code == 422
    assert [each.id for each in alarms(station)] == [number]
