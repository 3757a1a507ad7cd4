"""A station: everything that its page, its sources, its sinks and its monitors share."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

from algan_ad.service.drift.watch import DriftWatch
from algan_ad.service.faults import Faults
from algan_ad.service.inspection.inspector import Inspector
from algan_ad.service.inspection.part import Inspection
from algan_ad.service.lock import held
from algan_ad.service.metrics import Metrics
from algan_ad.service.models import Load, Models
from algan_ad.service.record.alarms import open_alarms
from algan_ad.service.record.outbox import sinks
from algan_ad.service.record.record import Record
from algan_ad.service.settings import Settings
from algan_ad.service.store.blobs import Blobs
from algan_ad.service.store.disk import free_bytes

if TYPE_CHECKING:
    from algan_ad.service.sources.camera import Camera

log = structlog.get_logger("algan.station")

Listener = Callable[[Inspection], None]


class Station:
    """An open station.

    settings, record, images and maps (stores), models, metrics, faults, drift, cameras; `inspector.inspect` is the way
    of every source.
    `listeners` are called with every inspection, after its commit, in the thread of its source: for what must show at
    once (a page, a PLC), also when nothing could be recorded. What must not get lost goes by the outbox of the record.
    """

    def __init__(self, settings: Settings, folders: Mapping[str, Path], load: Load, record: Record) -> None:
        self.settings, self.record, self.metrics = settings, record, Metrics()
        self.images, self.maps = stores(settings.station)
        self.models = Models(folders, load, record, settings.maps)
        self.inspector = Inspector(self)
        self.faults = Faults(self)
        self.drift = DriftWatch(self)
        self.listeners: list[Listener] = [self.faults.hear]
        self.cameras: dict[str, Camera] = {}  # by the name of the source
        self.draining = False  # set when the server stops: not ready any more

    def publish(self, inspections: Sequence[Inspection]) -> None:
        """Count inspections and hand them to the listeners. An error of a listener harms nobody else."""
        for inspection in inspections:
            for receive in (self.metrics.count, *self.listeners):
                try:
                    receive(inspection)
                except Exception:
                    log.exception("listener failed", inspection=inspection.id)

    def ready(self) -> bool:
        """True when parts can be inspected over HTTP: models and disk are there, and no stop is under way."""
        return not any(each.source is None for each in self.faults.standing())

    def figures(self) -> bytes:
        """The metrics as of now."""
        self.metrics.inside.set(self.inspector.gate.inside)
        self.metrics.free_bytes.set(free_bytes(self.settings.station))
        self.metrics.faults.clear()
        for cause in self.faults.causes():
            self.metrics.faults.labels(cause).set(1)
        self.metrics.waiting.clear()
        self.metrics.alarms.clear()
        with self.record.reading() as session:
            for name, waiting in sinks(session).items():
                self.metrics.waiting.labels(name).set(waiting)
            for alarm in open_alarms(session):
                self.metrics.alarms.labels(alarm.kind, alarm.model_name or "").set(1)
        self.metrics.drift.clear()
        for drift in self.drift.facts():
            for figure, evidence in drift.evidence.items():
                self.metrics.drift.labels(drift.model, figure).set(evidence)
        return self.metrics.text()


def stores(folder: Path) -> tuple[Blobs, Blobs]:
    """The images and the maps of a station folder."""
    return Blobs(folder / "images"), Blobs(folder / "maps")


@contextmanager
def opened(settings: Settings, folders: Mapping[str, Path], load: Load) -> Iterator[Station]:
    """A station to serve, held for this process alone.

    folders: model folders by name. load: opens and tests one. Raises InputError when the station is in use, its record
    newer or damaged, or a model unusable.
    """
    with held(settings.station):
        record = Record(settings.db_url)
        try:
            with record.claimed():
                station = Station(settings, folders, load, record)
                station.images.remove_leftovers()
                station.maps.remove_leftovers()
                yield station
        finally:
            record.close()
