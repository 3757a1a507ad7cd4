"""The way of some parts from bytes to verdicts. Whatever goes wrong gives *not inspected*, and never ok."""

from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import ExitStack
from time import perf_counter
from typing import TYPE_CHECKING

import structlog
from sqlalchemy.exc import DBAPIError

from algan_ad.runtime.clock import now
from algan_ad.runtime.errors import AlganError
from algan_ad.service.inspection.causes import DISK, ERROR, NotInspected
from algan_ad.service.inspection.commit import Committer, Outcome, again
from algan_ad.service.inspection.gate import Gate
from algan_ad.service.inspection.part import Inspection, Part
from algan_ad.service.inspection.scoring import Scored, score_parts
from algan_ad.service.models import Served
from algan_ad.service.record.inspections import with_number
from algan_ad.service.store.disk import DiskFloor, check_floor

if TYPE_CHECKING:
    from algan_ad.service.station import Station

log = structlog.get_logger("algan.inspect")

STORING = 8  # images and maps that are flushed to the disk at the same time


class Inspector:
    """Inspects parts for every source. Threads may share it."""

    def __init__(self, station: "Station") -> None:
        self._station, settings = station, station.settings
        self._committer = Committer(station.record.secret, settings.audit_share)
        self._storing = ThreadPoolExecutor(STORING, thread_name_prefix="store")
        self.gate = Gate(settings.workers, settings.waiting)

    def inspect(self, parts: Sequence[Part], model: str | None = None) -> list[Inspection]:
        """One inspection for each part, in their order: committed, or not inspected.

        model: name of the model; None: the only one. Raises nothing: an inspection holds the cause of its failure.
        """
        try:
            with self.gate.admitted():
                found = self._admitted(parts, model)
        except Exception as error:
            refusal, at = _explained(error), now()
            found = [Inspection.unrecorded(part, model or "", refusal, at) for part in parts]
        self._station.publish(found)
        return found

    def refuse(self, part: Part, model: str | None, error: NotInspected) -> Inspection:
        """Record that a part, or a picture that should have come, was not inspected. Raises nothing."""
        try:
            (found,) = self._commit(self._station.models.get(model), [part], [error])
        except Exception as failed:
            log.error("not recorded", exc_info=failed)
            found = Inspection.unrecorded(part, model or "", error, now())
        self._station.publish([found])
        return found

    def _admitted(self, parts: Sequence[Part], model: str | None) -> list[Inspection]:
        station = self._station
        served = station.models.get(model)
        check_floor(station.settings.station, station.settings.free_disk_bytes)
        known = [self._known(served, part) for part in parts]
        new = [part for part, inspection in zip(parts, known, strict=True) if inspection is None]
        made = iter(self._commit(served, new, self._scored(served, new)) if new else [])
        return [next(made) if inspection is None else inspection for inspection in known]

    def _known(self, served: Served, part: Part) -> Inspection | None:
        if part.number is None:
            return None
        with self._station.record.reading() as session:
            row = with_number(session, served.name, part.number)
            return None if row is None else again(row, part)

    def _scored(self, served: Served, parts: Sequence[Part]) -> Sequence[Scored | NotInspected]:
        try:
            return score_parts(served, parts, self._station.settings)
        except Exception as error:
            return [_explained(error)] * len(parts)

    def _commit(
        self, served: Served, parts: Sequence[Part], scored: Sequence[Scored | NotInspected]
    ) -> list[Inspection]:
        """Put images and maps in the store, then the rows in the record: what a row names is there."""
        station = self._station
        with ExitStack() as held:
            outcomes = self._stored(parts, scored, held)
            start = perf_counter()
            made = station.record.write(lambda session: self._committer.add(session, served, outcomes))
        station.metrics.observe("commit", perf_counter() - start)
        return made

    def _stored(self, parts: Sequence[Part], scored: Sequence[Scored | NotInspected], held: ExitStack) -> list[Outcome]:
        """Images and maps go to the disk at the same time, so that their flushes share the wait."""
        start, pairs = perf_counter(), list(enumerate(zip(parts, scored, strict=True)))
        entering: dict[tuple[int, str], Future[str]] = {}
        for i, (part, each) in pairs:
            if isinstance(each, Scored):
                image = self._station.images.holding(part.image)
                entering[i, "image"] = self._storing.submit(held.enter_context, image)
                if each.map is not None:
                    drawn = self._station.maps.holding(each.map.content)
                    entering[i, "map"] = self._storing.submit(held.enter_context, drawn)
        wait(entering.values())  # all, also when one fails: what was entered has to be left
        names = {key: each.result() for key, each in entering.items()}
        for each in scored:
            if isinstance(each, Scored):
                each.timing_ms["store"] = round(1000 * (perf_counter() - start), 3)
        return [Outcome(part, each, names.get((i, "image")), names.get((i, "map"))) for i, (part, each) in pairs]


def _explained(error: Exception) -> NotInspected:
    """The cause of an exception, in words for the outside. The log has the rest."""
    if isinstance(error, NotInspected):
        return error
    log.error("not inspected", exc_info=error)
    full = isinstance(error, AlganError | DBAPIError) and "full" in str(error)  # SQLite: database or disk is full
    if full or isinstance(error, DiskFloor):
        return NotInspected(
            DISK, "the station's disk has too little free space; nothing is inspected until it has more"
        )
    return NotInspected(ERROR, "an error of the station; its log has the details")
