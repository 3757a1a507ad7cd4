"""The plots of a benchmark: ranks with critical differences, accuracy against time, curves, histograms, a field."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import LogLocator, MaxNLocator, NullLocator
from numpy.typing import ArrayLike, NDArray

from algan_ad.evaluation.comparison import Ranking, cliques
from algan_ad.report.plots import Mark, Plot
from algan_ad.report.svg import Role, color, draw

#: Colours of methods in one plot, in order; further methods share them and are distinguished by dashes.
SERIES: tuple[Role, ...] = (
    "anomalous", "normal", "held-out-normal", "fake-anomalous", "buffered", "muted", "fake-normal",
)  # fmt: skip
Legend = list[tuple[str, Role, Mark]]
Cloud = tuple[str, Role, ArrayLike]  # name, colour, numbers
DASHES: tuple[tuple[str, Mark], ...] = (("-", "line"), ("--", "dashed"), (":", "dotted"))


class Point(NamedTuple):
    """A method in the plot of accuracy against time; `own` ones are emphasised."""

    name: str
    milliseconds: float
    auroc: float
    own: bool = False


def critical_differences(names: Sequence[str], ranking: Ranking, cases: str) -> Plot:
    """Average ranks on an axis; a bar joins methods whose ranks do not differ significantly (Demšar, 2006, Fig. 1)."""
    k, cd = len(names), ranking.critical_difference
    order = sorted(range(k), key=lambda i: ranking.ranks[i])
    bars = cliques(ranking.ranks, cd)
    half = -(-k // 2)
    lowest = 1.0 + 0.45 * len(bars) + 0.75 * half

    def paint(axes: Axes) -> None:
        axes.plot([1, k], [0, 0], color=color("ink"), linewidth=1)
        for tick in range(1, k + 1):
            axes.plot([tick, tick], [0, -0.15], color=color("ink"), linewidth=1)
            axes.annotate(str(tick), (tick, -0.25), ha="center", va="bottom", color=color("muted"))
        right = 1 + min(cd, k - 1.0)
        axes.plot([1, right], [-1.3, -1.3], color=color("ink"), linewidth=2)
        axes.annotate(f"critical difference {cd:.2f}", (1, -1.4), ha="left", va="bottom")
        for number, bar in enumerate(bars):
            ends = [ranking.ranks[bar[0]] - 0.04, ranking.ranks[bar[-1]] + 0.04]
            axes.plot(ends, [0.45 + 0.45 * number] * 2, color=color("muted"), linewidth=4, alpha=0.7)
        for place, i in enumerate(order):
            left = place < half
            row = place if left else k - 1 - place
            y = 1.0 + 0.45 * len(bars) + 0.75 * row
            edge = 0.8 if left else k + 0.2
            rank = ranking.ranks[i]
            axes.plot([rank, rank, edge], [0, y, y], color=color("line"), linewidth=1, zorder=0)
            axes.plot([rank], [0], marker="o", markersize=4, color=color("anomalous"), zorder=3)
            text = f"{names[i]}  {rank:.2f}" if left else f"{rank:.2f}  {names[i]}"
            axes.annotate(text, (edge, y), xytext=(-3 if left else 3, 0), textcoords="offset points",
                          ha="right" if left else "left", va="center", annotation_clip=False)  # fmt: skip
        room = 0.75 * (k - 1) + 0.4  # on either side, for the names
        axes.set(xlim=(1 - room, k + room), ylim=(lowest, -2.1))
        axes.set_axis_off()

    title = "Average ranks"
    caption = (
        f"Over {ranking.n} {cases}, 1 is best. Methods joined by a bar do not differ significantly (Nemenyi, 5 %). "
        f"Friedman: chi-square {ranking.statistic:.2f}, p = {ranking.p:.2g}."
    )
    return Plot(title, draw(paint, "Critical-difference plot", height=1.1 + 0.24 * (lowest + 1), width=5.2), caption)


def accuracy_against_time(points: Sequence[Point], caption: str) -> Plot:
    """Mean AUROC over the time of one prediction, on a logarithmic axis (thesis Fig. 5.5)."""

    n = len(points)
    order = sorted(points, key=lambda p: -p.auroc)
    low, high = order[-1].auroc, order[0].auroc
    room = max(high - low, 0.02) * 0.08
    places = np.linspace(high + room, low - room, n).tolist()  # of the names, beside the plot, in order

    def paint(axes: Axes) -> None:
        axes.set_xscale("log")
        right = max(p.milliseconds for p in points) * 1.5
        axes.set_xlim(min(p.milliseconds for p in points) / 1.5, right)
        axes.set_ylim(low - 2 * room, high + 2 * room)
        for p, place in zip(order, places, strict=True):
            role: Role = "anomalous" if p.own else "normal"
            axes.plot([p.milliseconds, right], [p.auroc, place], color=color("line"), linewidth=0.8, clip_on=False)
            axes.plot([p.milliseconds], [p.auroc], marker="o", markersize=6, color=color(role), zorder=3)
            axes.annotate(p.name, (right, place), xytext=(4, 0), textcoords="offset points", va="center",
                          annotation_clip=False)  # fmt: skip
        axes.xaxis.set_major_locator(LogLocator(subs=(1,), numticks=6))
        axes.xaxis.set_minor_locator(NullLocator())
        axes.xaxis.set_major_formatter("{x:g}")
        axes.set_xlabel("milliseconds an image")
        axes.set_ylabel("mean AUROC")

    legend: Legend = [("ALGAN", "anomalous", "point"), ("others", "normal", "point")]
    picture = draw(paint, "Mean AUROC against prediction time", height=max(3.0, 0.9 + 0.2 * n))
    return Plot("Accuracy against time", picture, caption, tuple(legend))


def curves(title: str, series: Mapping[str, tuple[ArrayLike, ArrayLike]], x: str, y: str, caption: str) -> Plot:
    """A line for each name: y (n,) over x (n,)."""
    styles = [(*divmod(i, len(SERIES)), name) for i, name in enumerate(series)]

    def paint(axes: Axes) -> None:
        for turn, hue, name in styles:
            axes.plot(*series[name], color=color(SERIES[hue]), linestyle=DASHES[turn % len(DASHES)][0])
        axes.grid(visible=False, axis="x")
        axes.set(xlabel=x, ylabel=y)
        axes.xaxis.set_major_locator(MaxNLocator(6))

    legend: Legend = [(name, SERIES[hue], DASHES[turn % len(DASHES)][1]) for turn, hue, name in styles]
    return Plot(title, draw(paint, title, height=3.0), caption, tuple(legend))


def histograms(title: str, kinds: Sequence[Cloud], x: str, caption: str) -> Plot:
    """Histograms of each kind (n,), as shares of that kind, all over the same bins."""
    values = [np.asarray(each, dtype=np.float64) for *_, each in kinds]
    everything = np.concatenate(values)
    edges = np.histogram_bin_edges(everything, bins=int(np.clip(2 * np.sqrt(everything.size), 12, 60))).tolist()

    def paint(axes: Axes) -> None:
        for (_, role, _), each in zip(kinds, values, strict=True):
            axes.hist(each, edges, weights=np.full(each.size, 100 / each.size), histtype="stepfilled",
                      color=color(role), alpha=0.55, lw=0)  # fmt: skip
        axes.grid(visible=False, axis="x")
        axes.set(xlabel=x, ylabel="% of its kind")

    sizes = [each.size for each in values]
    legend: Legend = [(f"{name} ({n})", role, "area") for (name, role, _), n in zip(kinds, sizes, strict=True)]
    return Plot(title, draw(paint, title, height=3.0), caption, tuple(legend))


def plane(
    title: str, clouds: Sequence[Cloud], half: float, field: NDArray[np.float64] | None,
    levels: Sequence[float], caption: str,
) -> Plot:  # fmt: skip
    """Clouds of points (n, 2) in the square [-half, half]^2, over a field (r, r) of scores drawn at `levels`."""
    axis = np.linspace(-half, half, 2 if field is None else len(field))

    def paint(axes: Axes) -> None:
        if field is not None:
            for level in sorted(set(levels)):
                if level < field.max():
                    axes.contourf(axis, axis, field, [level, field.max()], colors=[color("anomalous")], alpha=0.1)
        for _, role, points in clouds:
            x, y = np.asarray(points, dtype=np.float64).T
            shown = (np.abs(x) < half) & (np.abs(y) < half)
            axes.plot(x[shown], y[shown], ".", markersize=3, color=color(role), alpha=0.8)
        axes.set(xlim=(-half, half), ylim=(-half, half), aspect="equal")

    legend: Legend = [(name, role, "point") for name, role, _ in clouds]
    return Plot(title, draw(paint, title, height=4.4), caption, tuple(legend))
