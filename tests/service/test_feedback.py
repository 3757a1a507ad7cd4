"""Judgements, the audit sample, estimates from the right samples."""

import numpy as np
import pytest
from sqlalchemy import select, update

from algan_ad.runtime.errors import InputError
from algan_ad.service.feedback.audit_sample import drawn
from algan_ad.service.feedback.estimates import estimate, estimates
from algan_ad.service.feedback.judgements import Judgement, judge, queue, undo
from algan_ad.service.inspection.part import Part
from algan_ad.service.record.tables import InspectionRow, JudgementRow
from algan_ad.service.station import Station

from .conftest import Open, client_of, grey


def inspect(station: Station, *values: int) -> list[int]:
    found = station.inspector.inspect([Part(grey(value)) for value in values])
    return [each.id for each in found if each.id is not None]


def say(station: Station, number: int, judgement: Judgement) -> str | None:
    return station.record.write(lambda session: judge(session, number, judgement, "me")).judgement


def test_an_undo_brings_the_former_judgement_back(station: Station) -> None:
    inspect(station, 200)
    for each in ("good", "unsure", "defect"):
        assert say(station, 1, each) == each  # type: ignore[arg-type]
    found = [station.record.write(lambda session: undo(session, 1, "me")).judgement for _ in range(3)]
    assert found == ["unsure", "good", None]
    with pytest.raises(InputError, match="was not judged"):
        station.record.write(lambda session: undo(session, 1, "me"))
    with station.record.reading() as session:
        assert len(session.scalars(select(JudgementRow)).all()) == 6  # nothing that was said is lost


def test_a_part_that_was_not_inspected_cannot_be_judged(station: Station) -> None:
    station.inspector.inspect([Part(b"nonsense")])
    with pytest.raises(InputError, match="nothing to judge"):
        say(station, 1, "good")


def test_the_queue_holds_flagged_and_audited_parts_and_marks_neither(open_station: Open) -> None:
    station = open_station(audit_share=1)
    inspect(station, 50, 200)
    found = client_of(station).get("/v1/queue").json()
    assert [each["id"] for each in found] == [1, 2]
    assert found[0].keys() == found[1].keys() == {"id", "at", "part", "model", "image_url", "map_url"}
    say(station, 1, "good")
    with station.record.reading() as session:
        assert [row.id for row in queue(session)] == [2]


def test_the_audit_draws_its_share_and_others_independently() -> None:
    audits = np.array([drawn(b"secret", i, 0.1) for i in range(20_000)])
    kept = np.array([drawn(b"secret", i, 0.1, "keep") for i in range(20_000)])
    assert abs(audits.mean() - 0.1) < 0.009  # 4 standard deviations
    assert abs((audits & kept).mean() - 0.01) < 0.003
    assert not any(drawn(b"secret", i, 0) for i in range(100))
    assert all(drawn(b"secret", i, 1) for i in range(100))


@pytest.mark.parametrize(
    ("k", "n", "low", "high"), [(0, 10, 0, 0.308497), (5, 10, 0.187086, 0.812914), (10, 10, 0.691503, 1)]
)
def test_intervals_are_those_of_clopper_and_pearson(k: int, n: int, low: float, high: float) -> None:
    found = estimate(k, n)
    assert (found.low, found.high) == pytest.approx((low, high), abs=1e-6)
    assert found.knows_too_little


def test_the_upper_bound_is_one_sided() -> None:
    assert estimate(0, 299).upper == pytest.approx(1 - 0.05 ** (1 / 299))
    assert not estimate(0, 299).knows_too_little
    assert estimate(0, 0).upper == 1


def test_each_estimate_comes_from_its_own_sample(station: Station) -> None:
    ids = inspect(station, 50, 51, 52, 200, 201, 202, 53)
    words: list[Judgement | None] = ["good", "defect", "good", "good", "defect", "unsure", None]
    for number, word in zip(ids, words, strict=True):
        if word is not None:
            say(station, number, word)
    audited = [ids[0], ids[1], ids[3], ids[6]]  # ok good, ok defect, flagged good, ok not judged
    station.record.write(
        lambda session: session.execute(
            update(InspectionRow).where(InspectionRow.id.in_(audited)).values(audit=True)
        ).close()
    )
    with station.record.reading() as session:
        found = estimates(session, 1)
    assert (found.false_alarm_rate.k, found.false_alarm_rate.n) == (1, 2)
    assert (found.precision.k, found.precision.n) == (1, 2)
    assert (found.miss_rate.k, found.miss_rate.n) == (1, 1)
    assert (found.audited, found.audited_waiting, found.flagged, found.flagged_waiting) == (4, 1, 3, 1)


def test_the_interval_of_the_miss_rate_covers_the_truth() -> None:
    """10,000 parts, 5 % defects of which 20 % are missed, 2 % audited: 100 runs."""
    rng, covered = np.random.default_rng(0), 0
    for _ in range(100):
        audited = rng.random(10_000) < 0.02
        defect, missed = rng.random(10_000) < 0.05, rng.random(10_000) < 0.2
        found = estimate(int((audited & defect & missed).sum()), int((audited & defect).sum()))
        covered += found.low <= 0.2 <= found.high
    assert covered >= 90


def test_judging_over_http(station: Station) -> None:
    inspect(station, 200)
    client = client_of(station)
    assert client.put("/v1/inspections/1/judgement", json={"judgement": "good"}).json()["judgement"] == "good"
    assert client.get("/v1/inspections?judgement=good").json()["inspections"][0]["id"] == 1
    assert client.delete("/v1/inspections/1/judgement").json()["judgement"] is None
    assert client.delete("/v1/inspections/1/judgement").status_code == 422
    assert client.put("/v1/inspections/1/judgement", json={"judgement": "bad"}).status_code == 422
    assert client.put("/v1/inspections/9/judgement", json={"judgement": "good"}).status_code == 404
    assert client.get("/v1/models/plates/estimates").json()["miss_rate"]["knows_too_little"]
