"""The history: inspections with filters and thumbnails, and each of them in full."""

from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Response

from algan_ad.service.api.history import Cursor, Id
from algan_ad.service.feedback.judgements import JUDGEMENTS, Judgement, judge, undo
from algan_ad.service.inspection.part import Inspection
from algan_ad.service.page.faults import PageRoute
from algan_ad.service.page.live import histogram_of
from algan_ad.service.page.queue import KEYS
from algan_ad.service.page.visit import OperatorVisit, back_to
from algan_ad.service.record.inspections import Filter, inspection, page
from algan_ad.service.record.tables import ANOMALOUS, NOT_INSPECTED, OK

router = APIRouter(route_class=PageRoute, include_in_schema=False)

TOGETHER = 48
VERDICTS = (ANOMALOUS, OK, NOT_INSPECTED)
Text = Annotated[str, Query(max_length=200)]
Day = Annotated[str, Query(pattern=r"^(\d{4}-\d\d-\d\d)?$")]


@router.get("/history")
def inspections(
    visit: OperatorVisit, verdict: Text = "", judgement: Text = "", model: Text = "", part: Text = "", since: Day = "",
    until: Day = "", before: Cursor = None,
) -> Response:  # fmt: skip
    """A page of inspections, newest first. The days are those of UTC, the last one included."""
    asked = {"verdict": verdict, "judgement": judgement, "model": model, "part": part, "since": since, "until": until}
    asked = {name: value for name, value in asked.items() if value}
    wanted: dict[str, Any] = {**asked, "until": f"{until}T24"} if until else asked  # later than every time of that day
    with visit.station.record.reading() as session:
        rows = page(session, Filter(**wanted), before, limit=TOGETHER)
        parts = [Inspection.of(row) for row in rows]
    older = f"/history?{urlencode({**asked, 'before': parts[-1].id})}" if len(parts) == TOGETHER else None
    return visit.page(
        "history.html.j2", view="history", parts=parts, asked=asked, older=older, verdicts=VERDICTS,
        newest=f"/history?{urlencode(asked)}" if before else None, judgements=JUDGEMENTS,
    )  # fmt: skip


@router.get("/history/{inspection_id}")
def one(visit: OperatorVisit, inspection_id: Id) -> Response:
    """One inspection, with everything that is known of it."""
    with visit.station.record.reading() as session:
        part = Inspection.of(inspection(session, inspection_id))
    return visit.page(
        "part.html.j2", view="history", part=part, histogram=histogram_of(visit, part), judgements=JUDGEMENTS, keys=KEYS
    )


@router.post("/history/{inspection_id}/undo")
def take_back(visit: OperatorVisit, inspection_id: Id) -> Response:
    """Take the last judgement of a part back."""
    visit.station.record.write(lambda session: undo(session, inspection_id, visit.caller.name))
    return back_to(f"/history/{inspection_id}")


@router.post("/history/{inspection_id}/{judgement}")
def say(visit: OperatorVisit, inspection_id: Id, judgement: Judgement) -> Response:
    """Judge a part."""
    visit.station.record.write(lambda session: judge(session, inspection_id, judgement, visit.caller.name))
    return back_to(f"/history/{inspection_id}")
