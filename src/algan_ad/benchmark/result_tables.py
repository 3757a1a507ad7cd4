"""Tables of a benchmark: figures with their spread beside those of the thesis, differences, costs, failures."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

from algan_ad.benchmark.outcomes import Outcomes, Row
from algan_ad.benchmark.results import Result
from algan_ad.evaluation.comparison import FEWEST_SEEDS, Difference, leaders, paired_difference, spread
from algan_ad.evaluation.figures import AUROC, F1_ALL, Figure
from algan_ad.report.tables import EMPTY, Cell, Table
from algan_ad.runtime.protocols import named

INCOMPLETE = "†"
GRID = " | "  # a label "ROW | COLUMN" has its place in a grid


#: Costs of a run, the other fields of `Result` that tables show.
COSTS = (
    Figure("train_seconds", "training, s", better="lower", digits=1),
    Figure("score_ms_per_image", "prediction, ms an image", better="lower", digits=2),
    Figure("peak_mb", "peak memory, MB", better="lower", digits=0),
    Figure("n_parameters", "parameters", better="neither", digits=0),
)


def figure_table(outcomes: Outcomes, protocol: str, figure: Figure, rows: Sequence[Row]) -> Table:
    """A table with data sets or categories as rows and methods as columns; several rows have mean rows below."""
    labels = outcomes.labels
    body = [(row.name, _row(outcomes, protocol, figure, [row])) for row in rows]
    body += [(name, _row(outcomes, protocol, figure, members, name)) for name, members in _groups(outcomes, rows)]
    return Table(figure.name, _caption(outcomes, protocol, body), "", labels, tuple(body), protocol)


def method_table(outcomes: Outcomes, protocol: str, row: Row, figures: Sequence[Figure], title: str) -> Table:
    """A table with methods as rows and figures as columns, for plans with one data set."""
    shown = [f for f in figures if any(outcomes.of(label, row, protocol).values(f.key) for label in outcomes.labels)]
    columns = [_row(outcomes, protocol, figure, [row]) for figure in shown]
    body = tuple((label, tuple(column[i] for column in columns)) for i, label in enumerate(outcomes.labels))
    caption = _caption(outcomes, protocol, body) + _everything_flagged(outcomes, protocol, row)
    return Table(title, caption, "", tuple(f.name for f in shown), body, protocol)


def grid_table(outcomes: Outcomes, protocol: str, row: Row, figure: Figure) -> Table:
    """A table of labels "ROW | COLUMN", laid out as a grid, as in Table 5.10."""
    places = [label.split(GRID) for label in outcomes.labels]
    columns = tuple(dict.fromkeys(column for _, column in places))
    cells = _row(outcomes, protocol, figure, [row])
    at = {(r, c): cell for (r, c), cell in zip(places, cells, strict=True)}
    body = tuple((r, tuple(at.get((r, c), EMPTY) for c in columns)) for r in dict.fromkeys(r for r, _ in places))
    return Table(figure.name, _caption(outcomes, protocol, body), "", columns, body, protocol)


def is_grid(outcomes: Outcomes) -> bool:
    return all(label.count(GRID) == 1 for label in outcomes.labels) and len(outcomes.rows) == 1


def difference_table(outcomes: Outcomes, protocol: str, rows: Sequence[Row], reference: str) -> Table | None:
    """Reference minus each other method, paired by seed; None if no method shares `FEWEST_SEEDS` seeds with it."""
    own = outcomes.complete_seeds(reference, rows, protocol, AUROC.key)
    body = []
    for label in outcomes.labels:
        other = outcomes.complete_seeds(label, rows, protocol, AUROC.key)
        seeds = sorted(own.keys() & other.keys())
        if label == reference or not seeds:
            continue
        found = paired_difference([own[seed] for seed in seeds], [other[seed] for seed in seeds])
        body.append((label, _difference(found, complete=len(seeds) == len(outcomes.plan.seeds))))
    if not any(cells[1] != EMPTY for _, cells in body):
        return None
    over = f"the mean over {len(rows)} data sets or categories" if len(rows) > 1 else rows[0].name
    caption = (
        f"AUROC of {reference} minus that of each method, on {over}, seed by seed. Interval: 95 %, Student's t over "
        f"seeds, from {FEWEST_SEEDS} seeds on; it ends at ±1, beyond which no difference can lie. Seeds share images, "
        "so that the interval is rather too narrow. No correction for the number of comparisons. "
        f"{named(protocol)}.{_incomplete(body)}"
    )
    columns = ("difference", "95 % interval", "p", "seeds")
    return Table(f"{reference} against each method", caption, "against", columns, tuple(body), protocol)


def _difference(found: Difference, complete: bool) -> tuple[Cell, ...]:
    mark = "" if complete else INCOMPLETE
    if found.n < FEWEST_SEEDS:
        numbers: dict[str, float | int | str] = {"mean": found.mean, "seeds": found.n}
        return Cell(_signed(found.mean), mark=mark, numbers=numbers), EMPTY, EMPTY, Cell(str(found.n))
    low, high = max(found.low, -1.0), min(found.high, 1.0)
    numbers = {"mean": found.mean, "low": low, "high": high, "p": found.p, "seeds": found.n}
    return (
        Cell(_signed(found.mean), mark=mark, numbers=numbers),
        Cell(f"{_signed(low)} to {_signed(high)}"),
        Cell(f"{found.p:.3f}" if found.p >= 0.001 else "< 0.001"),
        Cell(str(found.n)),
    )


def cost_table(outcomes: Outcomes, protocol: str, reference: str) -> Table | None:
    """Time, memory and parameters of each method, means over its runs; times also as ratios to the reference."""

    body = [
        (label, tuple(_cost(outcomes, label, protocol, figure, reference) for figure in COSTS))
        for label in outcomes.labels
    ]
    body = [(label, cells) for label, cells in body if any(cell != EMPTY for cell in cells)]
    if not body:
        return None
    caption = (
        f"Means over the runs. In brackets the ratio to {reference}, over the rows and seeds of both. Other runs "
        "may have shared the machine: thesis/table-5.6 and thesis/table-5.7 measure times properly. "
        f"{named(protocol)}.{_incomplete(body)}"
    )
    return Table("Time and memory", caption, "method", tuple(figure.name for figure in COSTS), tuple(body), protocol)


def _cost(outcomes: Outcomes, label: str, protocol: str, figure: Figure, reference: str) -> Cell:
    def by_run(name: str) -> dict[tuple[Row, int], float]:
        found = ((row, outcomes.of(name, row, protocol).values(figure.key)) for row in outcomes.rows)
        return {(row, seed): value for row, values in found for seed, value in values.items()}

    own, base = by_run(label), by_run(reference)
    if not own:
        return EMPTY
    mean, text = sum(own.values()) / len(own), ""
    shared = own.keys() & base.keys()
    below = sum(base[run] for run in shared)
    if below and figure.key in ("train_seconds", "score_ms_per_image"):
        text = f" (× {brief(sum(own[run] for run in shared) / below)})"
    expected = sum(outcomes.of(label, row, protocol).expected(figure.key) for row in outcomes.rows)
    mark = INCOMPLETE if len(own) < expected else ""
    return Cell(figure.text(mean) + text, mark=mark, numbers={"mean": mean})


def published_table(thesis: Mapping[str, str], reference: str) -> Table | None:
    """A table of the figures as the thesis prints them, from texts by "label|row"."""
    if not thesis:
        return None
    places = [tuple(key.rsplit("|", 1)) for key in thesis]
    labels, rows = (tuple(dict.fromkeys(place[i] for place in places)) for i in (0, 1))
    at = {place: Cell(text) for place, text in zip(places, thesis.values(), strict=True)}
    if len(rows) < len(labels):
        body = tuple((label, tuple(at.get((label, row), EMPTY) for row in rows)) for label in labels)
        columns: tuple[str, ...] = rows
    else:
        body = tuple((row, tuple(at.get((label, row), EMPTY) for label in labels)) for row in rows)
        columns = labels
    caption = (
        f"{reference}, copied. Protocol thesis; 10 runs with mean and standard deviation if the thesis gives them."
    )
    return Table("The thesis's own figures", caption, "", columns, body, "thesis")


def failure_table(outcomes: Outcomes) -> Table | None:
    """All planned runs without figures: failed, with the error, or not yet run."""
    body = [
        (
            str(spec),
            (Cell("not run" if result is None else "failed"), Cell("" if result is None else _last_line(result))),
        )
        for spec, result in outcomes.runs()
        if result is None or result.status != "done"
    ]
    if not body:
        return None
    caption = (
        "Means do not hide these runs: a figure that lacks some of its seeds bears a †, and one that lacks all is a –."
    )
    return Table("Runs without a result", caption, "run", ("state", "error"), tuple(body))


def _last_line(result: Result) -> str:
    text = (result.error or "").strip()
    last = text.splitlines()[-1] if text else "no message"
    return last if len(last) <= 200 else last[:197] + "..."


def _row(outcomes: Outcomes, protocol: str, figure: Figure, rows: Sequence[Row], mean: str = "") -> tuple[Cell, ...]:
    """A cell for each method, of one row or of the mean over several, which is named `mean`; the best are marked."""
    labels = outcomes.labels
    values = [outcomes.complete_seeds(label, rows, protocol, figure.key) for label in labels]
    if mean:
        cells = [_mean(outcomes, label, rows, protocol, figure, mean) for label in labels]
    else:
        cells = [_cell(outcomes, label, rows[0], protocol, figure) for label in labels]
    values = [each if cell.numbers else {} for each, cell in zip(values, cells, strict=True)]  # of shown cells only
    ahead = leaders(values, figure.sign)
    return tuple(replace(cell, best=leads) for cell, leads in zip(cells, ahead, strict=True))


def _cell(outcomes: Outcomes, label: str, row: Row, protocol: str, figure: Figure) -> Cell:
    outcome = outcomes.of(label, row, protocol)
    beside = _thesis_value(outcomes, label, row.category or row.data, figure)
    if not outcome.planned:
        return Cell("", beside=beside)
    values = list(outcome.values(figure.key).values())
    state = "failed" if outcome.failed else "–"
    return _shown(values, outcome.expected(figure.key), figure, beside, state)


def _mean(outcomes: Outcomes, label: str, rows: Sequence[Row], protocol: str, figure: Figure, name: str) -> Cell:
    """Mean over rows per seed, then over seeds; a seed counts only if it has every row."""
    if not all(outcomes.of(label, row, protocol).planned for row in rows):
        return EMPTY
    if not all(outcomes.of(label, row, protocol).expected(figure.key) for row in rows):
        return EMPTY  # cannot be measured everywhere: no mean over all
    values = list(outcomes.complete_seeds(label, rows, protocol, figure.key).values())
    return _shown(values, len(outcomes.plan.seeds), figure, _thesis_value(outcomes, label, name, figure), "–")


def _shown(values: list[float], planned: int, figure: Figure, beside: str, state: str) -> Cell:
    if not planned:
        return Cell("–", beside=beside)
    if not values:
        return Cell(state, beside=beside, mark=INCOMPLETE, numbers={"planned": planned, "seeds": 0, "thesis": beside})
    found = spread(values)
    text = f"{found.mean:.{figure.digits}f}" + ("" if math.isnan(found.sd) else f" ± {found.sd:.{figure.digits}f}")
    numbers: dict[str, float | int | str] = {"figure": figure.key, "mean": found.mean, "sd": found.sd,
               "seeds": found.n, "planned": planned, "thesis": beside}  # fmt: skip
    if found.n >= FEWEST_SEEDS:
        numbers |= {"low": max(found.low, 0.0), "high": min(found.high, 1.0)}  # every figure is a share
    return Cell(text, beside=beside, mark=INCOMPLETE if found.n < planned else "", numbers=numbers)


def _thesis_value(outcomes: Outcomes, label: str, row: str, figure: Figure) -> str:
    """The thesis's AUROC for this place; if it has no such row at all, its mean, or its only row."""
    if figure != AUROC:
        return ""
    thesis = outcomes.plan.thesis
    rows = dict.fromkeys(key.rsplit("|", 1)[1] for key in thesis)
    own = {key.rsplit("|", 1)[1]: text for key, text in thesis.items() if key.rsplit("|", 1)[0] == label}
    if row in rows or len(outcomes.rows) > 1:
        return own.get(row, "")
    return own.get("mean") or (next(iter(own.values())) if len(own) == 1 else "")


def _groups(outcomes: Outcomes, rows: Sequence[Row]) -> list[tuple[str, list[Row]]]:
    """The mean rows; MVTec-AD also has those of its textures and of its objects (Table 5.3)."""
    from algan_ad.data.catalog import MVTEC_CATEGORIES

    if len(rows) < 2:
        return []
    kind_of = {name: category.kind for name, category in MVTEC_CATEGORIES.items()}
    kinds = {kind: [row for row in rows if kind_of.get(row.category or "") == kind] for kind in ("texture", "object")}
    groups = [(f"mean of {kind}s", members) for kind, members in kinds.items() if len(members) > 1]
    return [*(groups if len(groups) == 2 else []), ("mean", list(rows))]


def _caption(outcomes: Outcomes, protocol: str, body: Sequence[tuple[str, Sequence[Cell]]]) -> str:
    seeds = outcomes.plan.seeds
    over = (
        f"{len(seeds)} seeds ({', '.join(map(str, seeds))})"
        if len(seeds) > 1
        else f"seed {seeds[0]} alone: no spread is known"
    )
    text = f"Mean ± standard deviation over {over}." if len(seeds) > 1 else f"Of {over}."
    if any(name.startswith("mean") for name, _ in body):
        text += " The mean rows average over rows first, seed by seed; their ± is over seeds."
    if any(cell.beside for _, cells in body for cell in cells):
        text += " In small print or brackets: the thesis's figures, on its own data and machine."
    return f"{text} {_bold(body)} {named(protocol)}; scale {outcomes.plan.scale}.{_incomplete(body)}"


def _bold(body: Sequence[tuple[str, Sequence[Cell]]]) -> str:
    test = f"paired t-test over {FEWEST_SEEDS} seeds or more, 5 %, not corrected for the number of comparisons"
    if any(cell.best for _, cells in body for cell in cells):
        return f"Bold: the best and all that do not differ from it ({test}); nothing is bold if nothing differs."
    return f"Nothing is bold, because no method differs from the best one ({test})."


def _everything_flagged(outcomes: Outcomes, protocol: str, row: Row) -> str:
    values = [v for each in outcomes.labels for v in outcomes.of(each, row, protocol).values(F1_ALL.key).values()]
    return f" To flag everything has an F1 of {sum(values) / len(values):.3f}." if values else ""


def _incomplete(body: Sequence[tuple[str, Sequence[Cell]]]) -> str:
    marked = any(cell.mark for _, cells in body for cell in cells)
    return " † fewer seeds than planned: see the runs without a result." if marked else ""


def brief(value: float) -> str:
    """A value as text, with two digits and without a power of ten."""
    return f"{value:,.0f}" if value >= 10 else f"{value:.2g}"


def _signed(value: float) -> str:
    return f"{value:+.3f}".replace("-", "−")
