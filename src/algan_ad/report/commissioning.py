"""The words and the chart of a commissioning: what a model will find, what it will flag, and what would help."""

from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, NullLocator

from algan_ad.evaluation.commissioning import WANTED, Commissioning, Count, Smallest
from algan_ad.report.plots import Mark, Plot
from algan_ad.report.svg import Role, color, draw
from algan_ad.runtime.numbers import percent

_NAMES = ("faint", "medium", "strong")
_LINES: tuple[tuple[Role, Mark], ...] = (("muted", "dotted"), ("normal", "dashed"), ("anomalous", "line"))
_STYLES = {"dotted": ":", "dashed": "--", "line": "-"}
_SPACE = "\N{NO-BREAK SPACE}"
SMALL_PART = 0.2  # share of background from which cropping is worth a word


@dataclass(frozen=True)
class Advice:
    """One thing that would help, and the measurement behind it."""

    title: str
    text: str


def expectation(c: Commissioning) -> str:
    """The smallest defects of each contrast in one sentence, the strongest contrast first."""
    reached = [(name, each) for name, each in _by_contrast(c) if each.size is not None]
    missed = [f"{name} contrast ({each.contrast})" for name, each in _by_contrast(c) if each.size is None]
    found = ", ".join(f"from {size(c, each)} on at {name} contrast ({_levels(each)})" for name, each in reached)
    largest = f"not even the largest that were tried, {_length(c, c.sizes[-1])}"
    if not reached:
        return f"Of made-up defects, 9 in 10 are found at no contrast, {largest}."
    return f"Of made-up defects, 9 in 10 are found {found}" + (
        f"; at {' and '.join(missed)} {largest}." if missed else "."
    )


def size(c: Commissioning, smallest: Smallest) -> str:
    """14 px (0.7 mm); what is smaller than all that was tried, and what was not found, in words."""
    if smallest.size is None:
        return f"over {_length(c, c.sizes[-1])}"
    return ("at most " if smallest.size <= c.sizes[0] else "") + _length(c, smallest.size)


def range_of(c: Commissioning, smallest: Smallest) -> str:
    """The interval of a smallest size."""
    low, high = smallest.interval
    if low is None:
        return f"over {_length(c, c.sizes[-1])}"
    return f"{_length(c, low)} to " + (f"over {_length(c, c.sizes[-1])}" if high is None else _length(c, high))


def false_alarms(c: Commissioning) -> str:
    """The false alarms among a thousand good parts, and in a shift, in one sentence."""
    alarms = c.false_alarms
    shift = (
        ""
        if alarms.per_shift is None
        else f"; of the {alarms.per_shift.parts:,} of a shift, {_count(alarms.per_shift)}"
    )
    return f"Of 1,000 good parts, expect {_count(alarms.per_1000)} to be flagged by mistake{shift}."


def chart(c: Commissioning) -> Plot:
    """The detection rate over the size, a line for each contrast."""

    def paint(axes: Axes) -> None:
        axes.axhline(100 * WANTED, color=color("muted"), linewidth=0.8)
        for (role, mark), contrast in zip(_LINES, c.contrasts, strict=True):
            curve = c.curve(contrast)
            axes.plot(
                [each.size for each in curve], [100 * each.found / each.n for each in curve],
                color=color(role), linestyle=_STYLES[mark], marker="o", markersize=3.5, clip_on=False,
            )  # fmt: skip
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(FixedLocator(list(c.sizes)))
        axes.xaxis.set_minor_locator(NullLocator())
        axes.set_xticklabels([str(each) for each in c.sizes])
        axes.set_yticks([0, 25, 50, 75, 90, 100])
        axes.grid(visible=False, axis="x")
        axes.set(ylim=(0, 101), xlabel="longest extent (pixels of your images)", ylabel="found, %")

    n = c.curve(c.contrasts[0])[0].n
    of_a_kind = min(each.n for each in c.rates)
    legend = [
        (f"{name}, {contrast} grey levels", role, mark)
        for name, contrast, (role, mark) in zip(_NAMES, c.contrasts, _LINES, strict=True)
    ]
    return Plot(
        "Detection rate by size and contrast",
        draw(paint, "Detection rate of made-up defects by size and contrast", height=2.9),
        f"At the threshold that is set; {n} made-up defects at each point, {of_a_kind} of each kind. The contrast is "
        "the change at the strongest place, of 255 grey levels.",
        tuple(reversed(legend)),
    )


def advice(c: Commissioning) -> list[Advice]:
    """What would help, that which concerns most of the misses first."""
    m = c.misses
    needed = (
        f" The wanted rate of false alarms takes {m.calibration_needed} held-out good images, and {m.calibration_n} "
        "are there." if m.calibration_n < m.calibration_needed else ""
    )  # fmt: skip
    ranked = [
        (m.lost, Advice(
            "A higher resolution",
            f"{percent(m.lost)} of the {m.n} misses lost more than half of their contrast when the image was resized: "
            f"{m.scale:.2g} pixels of yours become one. Train on larger images, or on pictures of a smaller field.",
        )),
        (m.hidden, Advice(
            "More good images",
            f"{percent(m.hidden)} of the {m.n} misses score higher than nine in ten good images, but a few odd good "
            "ones, such as those below, keep the threshold above them. More like these in the training lower it."
            f"{needed}",
        )),
        (m.faint, Advice(
            "Light and camera",
            f"{percent(m.faint)} of the {m.n} misses differ less from the good images than these do among themselves. "
            "Light that makes such defects stand out helps, or a higher rate of false alarms.",
        )),
    ]  # fmt: skip
    ranked = sorted(ranked if m.n else [], key=lambda each: -each[0])
    found = [each for share, each in ranked if share > 0 or (needed and each.title == "More good images")]
    return [*found, *_region(c)]


def _region(c: Commissioning) -> list[Advice]:
    m, said = c.misses, []
    if m.outside:
        said.append(
            f"{round(m.outside * len(c.nearest))} of the {len(c.nearest)} good images nearest to being flagged score "
            "highest off the part or at the rim of the picture: crop to what matters."
        )
    if m.background >= SMALL_PART:
        said.append(f"{percent(m.background)} of the picture is background: cropped, the part is seen larger.")
    return [Advice("A region of interest", " ".join(said))] if said else []


def _by_contrast(c: Commissioning) -> list[tuple[str, Smallest]]:
    pairs = zip(_NAMES, c.contrasts, strict=True)
    return [(name, c.of(None, contrast)) for name, contrast in reversed(list(pairs))]


def _levels(smallest: Smallest) -> str:
    return f"{smallest.contrast} of 255 grey levels"


def _length(c: Commissioning, pixels: float) -> str:
    text = f"{pixels:.0f}{_SPACE}px"
    return text if c.mm_per_pixel is None else f"{text} ({pixels * c.mm_per_pixel:.2g}{_SPACE}mm)"


def _count(count: Count) -> str:
    return f"{count.expected:.3g} ({count.interval[0]:,} to {count.interval[1]:,})"
