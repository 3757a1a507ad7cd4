"""The one jinja environment: of report pages, model cards, benchmark pages and what a notebook shows."""

import base64
import json
import re
from pathlib import Path, PurePath
from typing import Any

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined, select_autoescape

from algan_ad.runtime.files import replacing
from algan_ad.runtime.numbers import percent


def render(template: str, **values: Any) -> str:
    """A template of this floor or of `report/`, filled in.

    HTML is escaped; in Markdown, data goes through `text` and `code`.
    """
    return _environment.get_template(template).render(values)


def write_html(path: Path, template: str, **values: Any) -> Path:
    """Write a rendered page to `path` (atomically) and return it."""
    with replacing(path) as temporary:
        # file names need not be valid Unicode
        temporary.write_text(render(template, **values), encoding="utf-8", errors="xmlcharrefreplace")
    return path


def _score(value: float) -> str:
    return f"{value:#.4g}".rstrip(".").replace("-", "−")


def _rate(value: float) -> str:
    return f"{value:.3f}"


def _percent(share: float | None) -> str:
    return _unbroken(percent(share))


def _unbroken(text: str) -> str:
    """The text with every number kept on one line with its percent sign."""
    return text.replace(" %", "\N{NO-BREAK SPACE}%")


def _png(content: bytes) -> str:
    return f"data:image/png;base64,{base64.b64encode(content).decode('ascii')}"


def _name(path: str) -> str:
    """The file with its folder, which names the kind of defect: scratch/007.png."""
    return "/".join(PurePath(path).parts[-2:])


def _plain(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 120 else text[:117] + "..."


def _duration(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def _date(time: str) -> str:
    """The day of a point in time in ISO 8601."""
    return time[:10]


def _text(value: Any) -> str:
    """Data as Markdown that shows it literally, inside a table cell too."""
    return re.sub(r"([\\`*_\[\]<>|#])", r"\\\1", " ".join(str(value).split()))


def _code(text: str) -> str:
    """Data as a code span inside a table cell of Markdown."""
    return "`" + text.replace("`", "'").replace("|", "\\|") + "`"


_environment = Environment(
    loader=ChoiceLoader([PackageLoader("algan_ad", f"{floor}/templates") for floor in ("runtime", "report")]),
    autoescape=select_autoescape(enabled_extensions=("html.j2",)),
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    keep_trailing_newline=True,
)
_environment.filters |= {
    "score": _score, "rate": _rate, "percent": _percent, "unbroken": _unbroken, "png": _png, "name": _name,
    "plain": _plain, "duration": _duration, "date": _date, "text": _text, "code": _code, "json": json.dumps,
}  # fmt: skip
