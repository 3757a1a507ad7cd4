"""Anomaly maps in colour, on one scale for all parts of a model.

A map as it is stored reaches from black to white for every part, so that a good part would glow as much as a bad one.
Here the hottest place of a usual good part is the unit: colour begins at 3/4 of it. It is full at 3/2, or at the
hottest place of the part itself, so that a large defect shows where it is worst.
"""

from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from sqlalchemy import select
from sqlalchemy.orm import Session

from algan_ad.service.record.tables import OK, InspectionRow

NEWEST = 200  # good parts that the scale comes from
BEGIN, FULL = 0.75, 1.5
#: From yellow to red to violet: the lightness falls all the way, so that the order is seen without colours, too.
RAMP = np.array([[255, 220, 60], [250, 120, 30], [215, 25, 60], [120, 0, 110]], np.float64)


def coloured(content: bytes, low: float, high: float, scale: tuple[float, float]) -> bytes:
    """A grey PNG of the store as a transparent PNG in colours.

    low, high: values of black and white. scale: the values that count as 0 and as 1.
    """
    with Image.open(BytesIO(content)) as picture:
        grey = np.asarray(picture.convert("L"), np.float64)
    values = low + grey / 255 * (high - low)
    zero, one = scale
    relative = (values - zero) / (one - zero)
    heat = np.clip((relative - BEGIN) / (max(FULL, relative.max()) - BEGIN), 0, 1)
    buffer = BytesIO()
    Image.fromarray(_rgba(heat)).save(buffer, "png", compress_level=1)
    return buffer.getvalue()


def _rgba(heat: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Heat (h, w) in [0, 1] as uint8 (h, w, 4)."""
    at = np.linspace(0, 1, len(RAMP))
    colours = [np.interp(heat, at, RAMP[:, channel]) for channel in range(3)]
    return np.stack([*colours, 255 * np.sqrt(heat)], 2).round().astype(np.uint8)


def scale_of(session: Session, row: InspectionRow) -> tuple[float, float]:
    """Usual ends of the maps of good parts by the model of a part; its own ends while there is no such part."""
    ends = session.execute(
        select(InspectionRow.map_low, InspectionRow.map_high)
        .where(InspectionRow.model_id == row.model_id, InspectionRow.verdict == OK, InspectionRow.map_high.is_not(None))
        .order_by(InspectionRow.id.desc())
        .limit(NEWEST)
    ).all()
    usual = np.median(np.array([tuple(each) for each in ends], np.float64), 0) if ends else (row.map_low, row.map_high)
    low, high = float(usual[0] or 0), float(usual[1] or 0)
    return (low, high) if high > low else (low, low + 1)
