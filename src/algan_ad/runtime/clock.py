"""Points in time as they are stored."""

from datetime import UTC, datetime


def now() -> str:
    """The time in UTC, ISO 8601 to the millisecond."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")
