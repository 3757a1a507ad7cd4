"""The tables of the record. The sequence of ids is the order of events; times may jump, ids never do.

Rows of inspections, thresholds, activations, judgements and the audit log are added and never changed, except for the
columns that say so. Times are UTC, ISO 8601 to the millisecond.
"""

from typing import Any

from sqlalchemy import JSON, ForeignKey, Index, MetaData, UniqueConstraint, text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

OK, ANOMALOUS, NOT_INSPECTED = "ok", "anomalous", "not inspected"


class Table(DeclarativeBase):
    """The base of all tables. SQLite never gives an id twice, as PostgreSQL does not either."""

    metadata = MetaData(naming_convention={
        "ix": "ix_%(column_0_label)s", "uq": "uq_%(table_name)s_%(column_0_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s", "pk": "pk_%(table_name)s",
    })  # fmt: skip
    type_annotation_map = {dict[str, Any]: JSON}  # noqa: RUF012
    __table_args__: Any = {"sqlite_autoincrement": True}  # noqa: RUF012


class StationRow(Table):
    """The station itself, one row. The secret draws the audits and signs the sessions of the page."""

    __tablename__ = "station"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    secret: Mapped[str]
    at: Mapped[str]


class ModelRow(Table):
    """A model that was served. `version` counts the models of one name; `hash` is that of all that decides a score.

    Changed later: `loaded`, which grows each time that a model is put in service: the highest of a name is the latest.
    """

    __tablename__ = "models"
    __table_args__ = (UniqueConstraint("name", "hash"), {"sqlite_autoincrement": True})

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    version: Mapped[int]
    hash: Mapped[str]
    method: Mapped[str]
    loaded: Mapped[int]
    at: Mapped[str]


class ThresholdRow(Table):
    """A version of the threshold of a model, with the scores that it follows from."""

    __tablename__ = "thresholds"
    __table_args__ = (UniqueConstraint("model_id", "number"), {"sqlite_autoincrement": True})

    id: Mapped[int] = mapped_column(primary_key=True)
    model_id: Mapped[int] = mapped_column(ForeignKey("models.id"))
    number: Mapped[int]
    threshold: Mapped[float]
    calibration: Mapped[dict[str, Any]]
    origin: Mapped[str]  # "model", or "audited parts"
    by: Mapped[str]
    reason: Mapped[str | None]
    at: Mapped[str]


class ActivationRow(Table):
    """A threshold put to use. The newest row of a model is the one in use."""

    __tablename__ = "activations"

    id: Mapped[int] = mapped_column(primary_key=True)
    model_id: Mapped[int] = mapped_column(ForeignKey("models.id"), index=True)
    threshold_id: Mapped[int] = mapped_column(ForeignKey("thresholds.id"))
    by: Mapped[str]
    reason: Mapped[str | None]
    at: Mapped[str]


class InspectionRow(Table):
    """One inspection. Score, threshold and p-value are None when the part was not inspected.

    `cause` then is a word of `inspection/causes.py`, and `reason` explains it.

    `origin` is the file that a part of a watched folder came in, with its size and time.
    `figures` are those of `drift/pictures.py`, by name; None for a part that was not inspected.
    `image` and `map` are hashes in the store. A map's value is low + pixel / 255 * (high - low).
    Changed later: `judgement` (the one in force), `image_kept` (False once retention removed image and map).
    """

    __tablename__ = "inspections"
    __table_args__ = (
        # A part is inspected once per model name; a part that was not inspected may come again.
        Index("uq_inspections_part", "model_name", "part", unique=True,
              sqlite_where=text("verdict != 'not inspected'"), postgresql_where=text("verdict != 'not inspected'")),
        Index("ix_inspections_queue", "judgement", "verdict"),
        Index("ix_inspections_audit", "audit", "judgement"),
        Index("ix_inspections_origin", "source", "origin"),
        Index("ix_inspections_model_name", "model_name", "id"),
        {"sqlite_autoincrement": True},
    )  # fmt: skip

    id: Mapped[int] = mapped_column(primary_key=True)
    at: Mapped[str] = mapped_column(index=True)
    source: Mapped[str]
    origin: Mapped[str | None]
    part: Mapped[str | None]
    model_name: Mapped[str]
    model_id: Mapped[int | None] = mapped_column(ForeignKey("models.id"), index=True)
    threshold_id: Mapped[int | None] = mapped_column(ForeignKey("thresholds.id"), index=True)
    verdict: Mapped[str] = mapped_column(index=True)
    cause: Mapped[str | None]
    reason: Mapped[str | None]
    score: Mapped[float | None]
    p_value: Mapped[float | None]
    image: Mapped[str | None] = mapped_column(index=True)
    image_type: Mapped[str | None]
    image_bytes: Mapped[int] = mapped_column(default=0)
    map: Mapped[str | None] = mapped_column(index=True)
    map_bytes: Mapped[int] = mapped_column(default=0)
    map_low: Mapped[float | None]
    map_high: Mapped[float | None]
    timing_ms: Mapped[dict[str, Any]]
    figures: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    audit: Mapped[bool] = mapped_column(default=False)
    judgement: Mapped[str | None]
    image_kept: Mapped[bool] = mapped_column(default=False)

    model: Mapped[ModelRow | None] = relationship(lazy="joined")
    threshold: Mapped[ThresholdRow | None] = relationship(lazy="joined")


class JudgementRow(Table):
    """What a person said about a part: defect, good or unsure.

    undo: takes the one before back; `judgement` is then the one that counts again, or None.
    """

    __tablename__ = "judgements"

    id: Mapped[int] = mapped_column(primary_key=True)
    inspection_id: Mapped[int] = mapped_column(ForeignKey("inspections.id"), index=True)
    judgement: Mapped[str | None]
    undo: Mapped[bool]
    by: Mapped[str]
    at: Mapped[str]


class TokenRow(Table):
    """A token of access, of which only the SHA-256 is kept. Changed later: `revoked_at`."""

    __tablename__ = "tokens"

    id: Mapped[int] = mapped_column(primary_key=True)
    label: Mapped[str]
    role: Mapped[str]
    hash: Mapped[str] = mapped_column(unique=True)
    at: Mapped[str]
    revoked_at: Mapped[str | None]


class AuditRow(Table):
    """An action of a person that changes verdicts, or who may change them."""

    __tablename__ = "audit_log"

    id: Mapped[int] = mapped_column(primary_key=True)
    by: Mapped[str]
    action: Mapped[str]
    subject: Mapped[str]
    details: Mapped[dict[str, Any]]
    at: Mapped[str]


class OutboxRow(Table):
    """An event for the sinks, written in the transaction of what it reports."""

    __tablename__ = "outbox"

    id: Mapped[int] = mapped_column(primary_key=True)
    event: Mapped[str]
    payload: Mapped[dict[str, Any]]
    at: Mapped[str]


class SinkRow(Table):
    """A sink, and the last event of the outbox that it has delivered. Changed at each delivery."""

    __tablename__ = "sinks"
    __table_args__: Any = {}  # noqa: RUF012

    name: Mapped[str] = mapped_column(primary_key=True)
    delivered: Mapped[int]


class AlarmRow(Table):
    """An alarm: its kind, what is wrong and what to do.

    model_name: of the model whose drift it reports, and `details` then are an `Alarm` of `drift/alarms.py`; None: an
    alarm of the station.
    Changed later: the acknowledgement. `acknowledged_after` is the last inspection before it, 0 for none; `as_normal`
    says that the change is to stay.
    """

    __tablename__ = "alarms"

    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(index=True)
    model_name: Mapped[str | None]
    message: Mapped[str]
    details: Mapped[dict[str, Any]]
    since_inspection: Mapped[int | None]
    at: Mapped[str]
    acknowledged_by: Mapped[str | None]
    acknowledged_at: Mapped[str | None]
    acknowledged_after: Mapped[int | None]
    as_normal: Mapped[bool | None]


class DriftRow(Table):
    """The drift monitor of a model, as of the part that its state names; what came later follows from the record.

    alarms: ids of the open ones. state: a `DriftState` of `drift/monitor.py`. Changed now and then.
    """

    __tablename__ = "drift"
    __table_args__: Any = {}  # noqa: RUF012

    model_name: Mapped[str] = mapped_column(primary_key=True)
    threshold_id: Mapped[int] = mapped_column(ForeignKey("thresholds.id"))
    alarms: Mapped[list[int]] = mapped_column(JSON)
    state: Mapped[dict[str, Any]]
