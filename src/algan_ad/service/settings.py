"""The settings of a station: places, limits, and what is kept."""

from pathlib import Path

from pydantic import Field

from algan_ad.runtime.schema import Schema
from algan_ad.service.drift.monitor import DriftSettings
from algan_ad.service.record.database import url_of

MIB, GIB = 2**20, 2**30


class Settings(Schema):
    """Everything about a station except its models."""

    station: Path = Field(default=Path("station"), description="folder of the record, the images and the maps")
    db: str | None = Field(default=None, description="URL of a PostgreSQL database; None = SQLite in the station")
    host: str = Field(default="127.0.0.1", description="address to listen on; any other than this needs a token")
    port: int = Field(default=8321, ge=0, le=65535, description="port to listen on; 0 takes a free one")
    maps: bool = Field(default=True, description="draw and keep an anomaly map of each part")
    workers: int = Field(default=2, ge=1, le=16, description="inspections at the same time")
    waiting: int = Field(default=16, ge=0, le=20, description="inspections that wait; more are refused as overload")
    max_image_bytes: int = Field(default=32 * MIB, ge=1, description="largest image file, in bytes")
    max_pixels: int = Field(default=50_000_000, ge=1, description="largest image, in pixels")
    max_batch: int = Field(default=16, ge=1, description="images in one request")
    body_seconds: float = Field(default=30, gt=0, description="time within which a request must have arrived")
    requests_per_second: float = Field(default=500, gt=0, description="of one client, on average over two seconds")
    free_disk_bytes: int = Field(default=GIB, ge=0, description="free space below which nothing is inspected")
    keep_days: float = Field(default=30, ge=0, description="days after which images of unflagged parts are removed")
    keep_bytes: int = Field(default=50 * GIB, ge=0, description="images and maps of unflagged parts, in bytes")
    keep_share: float = Field(
        default=0.01, ge=0, le=1, description="share of the unflagged parts kept whatever the age"
    )
    audit_share: float = Field(default=0.02, ge=0, le=1, description="share of all parts that people check")
    drift: DriftSettings = Field(default=DriftSettings(), description="of the monitors of drift")

    watch: tuple[str, ...] = Field(default=(), description="folders, cameras, streams and videos that parts come from")
    webhook: tuple[str, ...] = Field(default=(), description="http:// or https:// addresses that results are sent to")
    mqtt: str | None = Field(default=None, description="mqtt://HOST/TOPIC or mqtts://HOST/TOPIC for results")
    modbus: str | None = Field(default=None, description="HOST:PORT where PLCs read the result")

    @property
    def db_url(self) -> str:
        """The URL of the record."""
        return self.db or url_of(self.station)

    @property
    def max_request_bytes(self) -> int:
        """The largest request: two of the largest images, so that a batch of ordinary ones fits."""
        return 2 * self.max_image_bytes
