"""A part on its way in, and its inspection on the way out."""

from dataclasses import dataclass
from typing import Literal, Self

from pydantic import Field

from algan_ad.runtime.schema import Schema
from algan_ad.service.inspection.causes import NotInspected
from algan_ad.service.record.tables import NOT_INSPECTED, InspectionRow


@dataclass(frozen=True)
class Part:
    """The image of a part as it came.

    number: also the key by which a repeated request is recognised. origin: the file inside its source that it came in.
    """

    image: bytes
    number: str | None = None
    source: str = "http"
    origin: str | None = None


class Inspection(Schema):
    """The outcome for one part. Score, threshold, p-value and hashes are None when the part was not inspected."""

    id: int | None = Field(description="sequence number; None: it could not be recorded")
    at: str = Field(description="UTC, ISO 8601; order by id, not by time")
    part: str | None = Field(description="part number")
    source: str = Field(description="channel that the part came in by")
    origin: str | None = Field(default=None, description="file of a watched folder, with its size and time")
    verdict: Literal["ok", "anomalous", "not inspected"]
    cause: str | None = Field(default=None, description="for not inspected: one word for programs")
    reason: str | None = Field(default=None, description="for not inspected: a sentence for people")
    score: float | None = Field(default=None, description="raw, higher = more anomalous")
    p_value: float | None = Field(default=None, description="share of good parts expected to score at least as high")
    threshold: float | None = Field(default=None, description="anomalous if and only if score > threshold")
    threshold_version: int | None = None
    model: str = Field(description="name of the model")
    model_version: int | None = None
    model_hash: str | None = Field(default=None, description="SHA-256 of all that decides a score")
    image_url: str | None = None
    map_url: str | None = None
    map_low: float | None = Field(default=None, description="value of a black pixel of the map")
    map_high: float | None = Field(default=None, description="value of a white pixel of the map")
    timing_ms: dict[str, float] = Field(default={}, description="milliseconds of each stage")
    judgement: str | None = Field(default=None, description="defect, good or unsure, as a person said")
    repeated: bool = Field(default=False, description="this part number was inspected before; this is the outcome then")

    @classmethod
    def of(cls, row: InspectionRow, repeated: bool = False) -> Self:
        """The inspection of a row of the record."""
        model, threshold, kept = row.model, row.threshold, row.image_kept
        return cls(
            id=row.id, at=row.at, part=row.part, source=row.source, origin=row.origin, verdict=row.verdict,
            cause=row.cause, reason=row.reason, score=row.score, p_value=row.p_value,
            threshold=threshold and threshold.threshold, threshold_version=threshold and threshold.number,
            model=row.model_name, model_version=model and model.version, model_hash=model and model.hash,
            image_url=f"/v1/inspections/{row.id}/image" if kept and row.image else None,
            map_url=f"/v1/inspections/{row.id}/map" if kept and row.map else None,
            map_low=row.map_low, map_high=row.map_high, timing_ms=row.timing_ms,
            judgement=row.judgement, repeated=repeated,
        )  # fmt: skip

    @classmethod
    def unrecorded(cls, part: Part, model: str, error: NotInspected, at: str) -> Self:
        """The outcome of a part that was refused before it could be recorded."""
        return cls(
            id=None, at=at, part=part.number, source=part.source, origin=part.origin, verdict=NOT_INSPECTED,
            model=model, cause=error.cause, reason=str(error),
        )  # fmt: skip
