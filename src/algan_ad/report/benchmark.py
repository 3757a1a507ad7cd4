"""The page of a benchmark: sections of tables, plots and pictures in one HTML file without any outside reference."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined

from algan_ad.report.plots import Plot
from algan_ad.report.tables import Table
from algan_ad.runtime.files import replacing


@dataclass(frozen=True)
class Picture:
    """A PNG file in memory."""

    title: str
    png: bytes
    caption: str = ""


@dataclass(frozen=True)
class Section:
    """What stands under one heading, in this order; `folded` tables open at a click. `badge` is the protocol."""

    title: str
    badge: str = ""
    text: str = ""
    tables: tuple[Table, ...] = ()
    plots: tuple[Plot, ...] = ()
    pictures: tuple[Picture, ...] = ()
    folded: tuple[Table, ...] = ()


@dataclass(frozen=True)
class Page:
    """facts: (name, value) pairs below the title. warnings: what must be read before the figures."""

    title: str
    reference: str
    facts: Sequence[tuple[str, str]]
    warnings: Sequence[str]
    notes: Sequence[str]
    sections: Sequence[Section]
    footer: str


def write_page(path: Path, page: Page) -> Path:
    """Write the page to `path` (atomically) and return it."""
    environment = Environment(
        loader=PackageLoader("algan_ad.report"), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip
    environment.filters["png"] = _data_url
    text = environment.get_template("benchmark.html.j2").render(page=page)
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8", errors="xmlcharrefreplace")
    return path


def _data_url(content: bytes) -> str:
    return f"data:image/png;base64,{base64.b64encode(content).decode('ascii')}"
