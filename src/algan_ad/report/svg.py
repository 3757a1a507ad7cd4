"""Plots as inline SVG that take their colours and their typeface from the page around them, light or dark."""

import io
import re
from collections.abc import Callable
from typing import Any, Literal, get_args

from markupsafe import Markup, escape
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure

Role = Literal[
    "ink",
    "muted",
    "line",
    "normal",
    "anomalous",
    "held-out-normal",
    "real-normal",
    "fake-normal",
    "fake-anomalous",
    "buffered",
]

# matplotlib only takes real colours, so each role gets a stand-in which becomes `var(--role)` in the SVG.
_STAND_IN: dict[str, str] = {role: f"#f0a1{index:02x}" for index, role in enumerate(get_args(Role))}


def color(role: Role) -> str:
    """The stand-in that matplotlib takes for the page's colour of that name."""
    return _STAND_IN[role]


_FONT_SIZE = 9.5
#: Least and largest size of the text on a page, in pixels: a plot shrinks no further, and scrolls.
_READABLE = (12, 16)

_STYLE: Any = {
    "svg.fonttype": "none",
    "text.parse_math": False,  # labels are the user's
    "font.size": _FONT_SIZE,
    "axes.labelsize": _FONT_SIZE,
    "axes.edgecolor": color("line"),
    "axes.labelcolor": color("muted"),
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.spines.left": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.unicode_minus": True,
    "grid.color": color("line"),
    "grid.linewidth": 0.6,
    "lines.linewidth": 1.6,
    "lines.solid_capstyle": "round",
    "text.color": color("ink"),
    "xtick.color": color("line"),
    "ytick.color": color("line"),
    "xtick.labelcolor": color("muted"),
    "ytick.labelcolor": color("muted"),
    "xtick.major.size": 0,
    "ytick.major.size": 0,
}


def draw(paint: Callable[[Axes], None], description: str, height: float = 2.7, width: float = 3.85) -> Markup:
    """Drawing of `paint` on a transparent plot, `width` by `height` inches, as `<svg>` for use inside HTML.

    `description` is read out in place of the picture; it also makes the references inside the SVG differ from
    those of the other plots of a page. The same drawing gives the same text.
    """
    with rc_context(_STYLE | {"svg.hashsalt": description}):
        figure = Figure(figsize=(width, height), layout="constrained")
        paint(figure.subplots())
        buffer = io.StringIO()
        figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None})
    return _inline(buffer.getvalue(), description)


def _inline(text: str, description: str) -> Markup:
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>|<style.*?</style>", "", text, flags=re.DOTALL)
    view_box = re.search(r'viewBox="[\d.]+ [\d.]+ ([\d.]+) [\d.]+"', text)
    assert view_box is not None  # matplotlib writes one
    least, most = (float(view_box[1]) * pixels / _FONT_SIZE for pixels in _READABLE)
    size = f'style="min-width: {least:.0f}px; max-width: {most:.0f}px"'
    opening = f'<svg role="img" aria-label="{escape(description)}" {view_box[0]} {size}>'
    text = re.sub(r"<svg[^>]*>", lambda _: opening, text, count=1)
    text = re.sub(r'(?<=[";]) ?font-family: [^;"]*;? ?|(?<=; )font-family: [^;"]*;? ?', "", text)
    referenced = set(re.findall(r"#([\w.-]+)", text))
    text = re.sub(r' id="([\w.-]+)"', lambda found: found.group() if found[1] in referenced else "", text)
    for role, stand_in in _STAND_IN.items():
        text = text.replace(stand_in, f"var(--{role})")
    return Markup(text)  # noqa: S704 - matplotlib escapes what it writes
