"""The threshold: its versions, a proposal, its consequences in pictures, approval, roll-back."""

from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Form, Query, Response

from algan_ad.service.api.history import Id
from algan_ad.service.page.faults import PageRoute
from algan_ad.service.page.histogram import histogram
from algan_ad.service.page.model_choice import chosen
from algan_ad.service.page.visit import EngineerVisit, OperatorVisit, back_to
from algan_ad.service.thresholds.facts import all_facts, facts
from algan_ad.service.thresholds.proposals import audited_good_scores, preview, propose
from algan_ad.service.thresholds.versions import active, approve, calibration_of, roll_back, version

router = APIRouter(route_class=PageRoute, include_in_schema=False)

Name = Annotated[str | None, Query(max_length=200)]
Reason = Annotated[str, Form(max_length=1000, pattern=r"^[^\x00]*$")]


@router.get("/threshold")
def versions(visit: OperatorVisit, model: Name = None) -> Response:
    """All versions, the newest first, and the form of a proposal."""
    served = chosen(visit, model)
    with visit.station.record.reading() as session:
        found, in_use = all_facts(session, served.id), active(session, served.id)
        calibration = calibration_of(in_use)
        audited = len(audited_good_scores(session, served.id))
    return visit.page(
        "threshold.html.j2", view="threshold", model=served.name, versions=found[::-1], audited=audited,
        in_use=next(each for each in found if each.in_use), calibration=calibration,
        histogram=histogram(calibration.scores, [in_use.threshold]),
    )  # fmt: skip


@router.post("/threshold")
def make(
    visit: EngineerVisit, model: Name = None, percent: Annotated[float | None, Form(ge=1e-4, lt=100)] = None,
    reason: Reason = "",
) -> Response:  # fmt: skip
    """Propose a version, and show what it would change. percent: wanted rate of false alarms; None: as now."""
    served = chosen(visit, model)
    rate = None if percent is None else percent / 100
    number = visit.station.record.write(
        lambda session: propose(session, served.id, visit.caller.name, rate, reason or None).number
    )
    return back_to(_place(served.name, f"/{number}"))


@router.get("/threshold/{number}")
def show(visit: OperatorVisit, number: Id, model: Name = None) -> Response:
    """The consequences of a version."""
    served = chosen(visit, model)
    with visit.station.record.reading() as session:
        row, in_use = version(session, served.id, number), active(session, served.id)
        shown, consequences, calibration = facts(session, row), preview(session, row), calibration_of(row)
        now = facts(session, in_use)
    return visit.page(
        "preview.html.j2", view="threshold", model=served.name, version=shown, now=now, preview=consequences,
        calibration=calibration, histogram=histogram(calibration.scores, [row.threshold, in_use.threshold]),
    )  # fmt: skip


@router.post("/threshold/roll-back")
def back(visit: EngineerVisit, model: Name = None, reason: Reason = "") -> Response:
    """Put the version to use that was in use before."""
    served = chosen(visit, model)
    visit.station.record.write(lambda session: roll_back(session, served.id, visit.caller.name, reason or None).number)
    return back_to(_place(served.name))


@router.post("/threshold/{number}/approve")
def put_to_use(visit: EngineerVisit, number: Id, model: Name = None, reason: Reason = "") -> Response:
    """Put a version to use, from the next part on."""
    served = chosen(visit, model)
    visit.station.record.write(
        lambda session: approve(session, served.id, number, visit.caller.name, reason or None).number
    )
    return back_to(_place(served.name))


def _place(model: str, below: str = "") -> str:
    return f"/threshold{below}?{urlencode({'model': model})}"
