"""Fixtures of the station: an empty record, and a model without torch."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from algan_ad.service.record.database import url_of
from algan_ad.service.record.record import Record


@pytest.fixture
def record(tmp_path: Path) -> Iterator[Record]:
    """An empty record in SQLite."""
    opened = Record(url_of(tmp_path))
    yield opened
    opened.close()
