"""The queue: one part after the other is judged, with one key each. Neither verdict nor score is shown."""

from typing import Annotated

from fastapi import APIRouter, Form, Response

from algan_ad.service.api.history import Id
from algan_ad.service.feedback.judgements import JUDGEMENTS, Judgement, count_waiting, judge, queue, undo
from algan_ad.service.inspection.part import Inspection
from algan_ad.service.page.faults import PageRoute
from algan_ad.service.page.visit import OperatorVisit, Visit
from algan_ad.service.record.inspections import inspection

router = APIRouter(route_class=PageRoute, include_in_schema=False)

KEYS: dict[Judgement, str] = {"defect": "d", "good": "g", "unsure": "u"}
STEPS = 50  # that can be taken back, one after the other

Trail = Annotated[str, Form(pattern=r"^(\d{1,9}( \d{1,9}){0,100})?$")]  # ids judged on this screen, oldest first


@router.get("/queue")
def first(visit: OperatorVisit) -> Response:
    """The part that has waited longest."""
    return _shown(visit, [])


@router.post("/queue/undo")
def take_back(visit: OperatorVisit, trail: Trail = "") -> Response:
    """Take the last judgement of this screen back, and show its part again."""
    ids = _ids(trail)
    if not ids:
        return _shown(visit, [])
    visit.station.record.write(lambda session: undo(session, ids[-1], visit.caller.name))
    return _shown(visit, ids[:-1], again=ids[-1])


@router.post("/queue/{inspection_id}/{judgement}")
def say(visit: OperatorVisit, inspection_id: Id, judgement: Judgement, trail: Trail = "") -> Response:
    """Judge a part, and show the next one."""
    visit.station.record.write(lambda session: judge(session, inspection_id, judgement, visit.caller.name))
    return _shown(visit, [*_ids(trail), inspection_id])


def _ids(trail: str) -> list[int]:
    return [int(each) for each in trail.split()]


def _shown(visit: Visit, trail: list[int], again: int | None = None) -> Response:
    with visit.station.record.reading() as session:
        waiting = count_waiting(session)
        rows = queue(session, limit=2)
        if again is not None:
            rows = [inspection(session, again), *(row for row in rows if row.id != again)]
        parts = [Inspection.of(row) for row in rows[:2]]
    return visit.page(
        "queue.html.j2", view="queue", waiting=waiting, part=parts[0] if parts else None, following=parts[1:],
        trail=" ".join(map(str, trail[-STEPS:])), judgements=JUDGEMENTS, keys=KEYS,
    )  # fmt: skip
