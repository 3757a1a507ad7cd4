"""The model that a view is about."""

from algan_ad.service.models import Served
from algan_ad.service.page.visit import Visit


def chosen(visit: Visit, name: str | None) -> Served:
    """The model of a name; None: the first one. Raises NotInspected for an unknown name."""
    return visit.station.models.get(name or next(iter(visit.station.models)).name)
