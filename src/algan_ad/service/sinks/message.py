"""Messages: the events of the outbox, as every sink sends them. docs/message.schema.json is their JSON schema."""

from typing import Any, Literal

from pydantic import Field, TypeAdapter

from algan_ad.runtime.schema import Schema
from algan_ad.service.inspection.part import Inspection
from algan_ad.service.record.alarms import AlarmFacts
from algan_ad.service.record.tables import OutboxRow

_ID = Field(
    description="place in the order of events. A message may come twice: its id then is the same. None: the event "
    "could not be recorded (a full disk, overload); it is sent once at most"
)


class InspectionMessage(Schema):
    """A part was inspected, or was not."""

    id: int | None = _ID
    event: Literal["inspection"]
    at: str = Field(description="UTC, ISO 8601")
    data: Inspection


class AlarmMessage(Schema):
    """An alarm was raised. It is open until somebody acknowledges it."""

    id: int = _ID
    event: Literal["alarm"]
    at: str = Field(description="UTC, ISO 8601")
    data: AlarmFacts


class OtherMessage(Schema):
    """A part was judged, or another threshold was put to use."""

    id: int = _ID
    event: Literal["judgement", "threshold"]
    at: str = Field(description="UTC, ISO 8601")
    data: dict[str, Any]


#: Everything that a sink sends.
MESSAGE: TypeAdapter[InspectionMessage | AlarmMessage | OtherMessage] = TypeAdapter(
    InspectionMessage | AlarmMessage | OtherMessage
)
Message = dict[str, Any]  # one that keeps to MESSAGE


def message_of(row: OutboxRow) -> Message:
    """The message of an event."""
    return {"id": row.id, "event": row.event, "at": row.at, "data": row.payload}


def unrecorded(inspection: Inspection) -> Message:
    """The message of a part that could not be recorded."""
    return {"id": None, "event": "inspection", "at": inspection.at, "data": inspection.model_dump(mode="json")}
