"""The page of a benchmark: sections of tables, plots and pictures in one HTML file without any outside reference."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from algan_ad.report.plots import Plot
from algan_ad.report.tables import Table
from algan_ad.runtime.environment import write_html


@dataclass(frozen=True)
class Picture:
    """A PNG file in memory."""

    title: str
    png: bytes
    caption: str = ""


@dataclass(frozen=True)
class Section:
    """Content under one heading, in this order; `folded` tables open at a click. `badge` is the protocol."""

    title: str
    badge: str = ""
    text: str = ""
    tables: tuple[Table, ...] = ()
    plots: tuple[Plot, ...] = ()
    pictures: tuple[Picture, ...] = ()
    folded: tuple[Table, ...] = ()


@dataclass(frozen=True)
class Page:
    """Content of a page. facts: (name, value) pairs below the title. warnings: to be read before the figures."""

    title: str
    reference: str
    facts: Sequence[tuple[str, str]]
    warnings: Sequence[str]
    notes: Sequence[str]
    sections: Sequence[Section]
    footer: str


def write_page(path: Path, page: Page) -> Path:
    """Write the page to `path` (atomically) and return it."""
    return write_html(path, "benchmark.html.j2", page=page)
