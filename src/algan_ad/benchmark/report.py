"""The page of a folder of results: report.html, report.md, tables.csv, tables.tex. Nothing is run here."""

from collections.abc import Iterable
from pathlib import Path

from algan_ad.benchmark import result_tables
from algan_ad.benchmark.outcomes import Outcomes
from algan_ad.benchmark.pages import DRAWN
from algan_ad.benchmark.plan import Plan
from algan_ad.benchmark.plan_files import read_folder_plan
from algan_ad.benchmark.results import ResultsFolder
from algan_ad.evaluation.comparison import ranking, spread
from algan_ad.evaluation.figures import ACCURACY, AUROC
from algan_ad.report.benchmark import Page, Section, write_page
from algan_ad.report.contest import Point, accuracy_against_time, critical_differences
from algan_ad.report.plots import Plot
from algan_ad.report.tables import Cell, Table, latex, markdown, to_csv
from algan_ad.runtime.errors import InputError
from algan_ad.runtime.files import replacing
from algan_ad.runtime.protocols import WORDS, named


def write_report(folder: Path) -> Path:
    """Write the report of a folder that `run` has filled, in full or in part. Returns the path of the HTML page.

    Raises InputError when there is no plan or no result in it.
    """
    plan, results = read_folder_plan(folder), ResultsFolder(folder).read()
    if not results:
        raise InputError(f"{folder}: no results yet; run the plan with algan benchmark run {plan.name}")
    outcomes = Outcomes(plan, results)
    page = _page(outcomes, folder)
    every = [table for section in page.sections for table in (*section.tables, *section.folded)]
    _write(folder / "report.md", _as_markdown(page))
    _write(folder / "tables.csv", to_csv(every))
    _write(folder / "tables.tex", "\n".join(latex(table) for table in every))
    return write_page(folder / "report.html", page)


def _page(outcomes: Outcomes, folder: Path) -> Page:
    plan = outcomes.plan
    special = DRAWN[plan.kind](outcomes, folder / "files") if plan.kind in DRAWN else []
    ordinary = [] if plan.page else [s for protocol in plan.protocols for s in _figures(outcomes, protocol)]
    states = [result.status if result else "not run" for _, result in outcomes.runs()]
    counts = ", ".join(f"{states.count(state)} {state}" for state in ("done", "failed", "not run") if state in states)
    return Page(
        title=plan.title,
        reference=plan.reference and f"Thesis: {plan.reference}",
        facts=[
            ("plan", plan.name), ("scale", plan.scale), ("protocol", " and ".join(plan.protocols)),
            ("seeds", ", ".join(map(str, plan.seeds))), ("runs", counts),
        ],
        warnings=_warnings(outcomes),
        notes=[f"Protocol {name}. {WORDS[name].note}" for name in plan.protocols],
        sections=[*special, *ordinary, *_published(plan), *_missing(outcomes), _provenance(outcomes)],
        footer=f"Every figure here: plan {plan.name}, scale {plan.scale}, protocol {' and '.join(plan.protocols)}.",
    )  # fmt: skip


def _warnings(outcomes: Outcomes) -> list[str]:
    plan, found = outcomes.plan, []
    if plan.scale == "small":
        found.append(
            "Small scale: small images, few samples, few epochs, few seeds. It shows that everything runs and what the "
            "page looks like; it neither confirms nor refutes a figure of the thesis."
        )
    if note := plan.options.get("note"):
        found.append(str(note))
    if (note := plan.options.get("small_note")) and plan.scale == "small":
        found.append(str(note))
    if random := _with_random_weights(plan):
        meaning = (
            "Times do not depend on them." if plan.kind == "timing" else "Their figures here are not fair to them."
        )
        found.append(f"Backbones with RANDOM weights, not those of ImageNet: {', '.join(random)}. {meaning}")
    return found


def _with_random_weights(plan: Plan) -> list[str]:
    named = [method.label for method in plan.methods if "random" in plan.settings_of(method).values()]
    inner = [each for method in plan.methods for each in plan.settings_of(method).get("contestants", [])]
    return named + [each.get("label", each["name"]) for each in inner if "random" in each.get("settings", {}).values()]


def _figures(outcomes: Outcomes, protocol: str) -> list[Section]:
    rows, reference = outcomes.rows, _reference(outcomes)
    figures = [
        f
        for f in ACCURACY
        if f.sign and any(outcomes.of(label, row, protocol).values(f.key) for label in outcomes.labels for row in rows)
    ]
    if result_tables.is_grid(outcomes):
        main = [result_tables.grid_table(outcomes, protocol, rows[0], AUROC)]
        folded = [result_tables.method_table(outcomes, protocol, rows[0], figures, "All figures")]
    elif len(rows) == 1:
        main, folded = [result_tables.method_table(outcomes, protocol, rows[0], figures, rows[0].name)], []
    else:
        main = [result_tables.figure_table(outcomes, protocol, AUROC, rows)]
        folded = [result_tables.figure_table(outcomes, protocol, each, rows) for each in figures if each != AUROC]
    sections = [Section("Detection", protocol, tables=tuple(main), folded=tuple(folded))]
    if len(outcomes.labels) > 1:
        sections.append(_comparison(outcomes, protocol, reference))
    return [section for section in sections if section.tables or section.plots or section.text]


def _comparison(outcomes: Outcomes, protocol: str, reference: str) -> Section:
    paired = result_tables.difference_table(outcomes, protocol, outcomes.rows, reference)
    costs = result_tables.cost_table(outcomes, protocol, reference)
    variants = (
        len({method.name for method in outcomes.plan.methods}) == 1
    )  # of one method, whose times do not matter here
    ranks, why = _ranks(outcomes, protocol)
    shown = [table for table in (paired, None if variants else costs) if table]
    folded = [costs] if variants and costs else []
    plots = [plot for plot in (ranks, None if variants else _scatter(outcomes, protocol)) if plot]
    if not paired:
        why += " With fewer than three seeds in common there are no differences with intervals to show."
    return Section("Comparison", protocol, why.strip(), tuple(shown), tuple(plots), folded=tuple(folded))


def _ranks(outcomes: Outcomes, protocol: str) -> tuple[Plot | None, str]:
    """The critical-difference plot or None, and its explanation. Ranks need results of all methods on every row."""
    labels, rows = outcomes.labels, outcomes.rows
    if len(rows) < 2 or len(labels) < 3:
        return None, ""
    scores = []
    for row in rows:
        found = [outcomes.of(label, row, protocol).values(AUROC.key) for label in labels]
        seeds = set.intersection(*(set(values) for values in found))
        if not seeds:
            return None, f"There are no ranks, because on {row.name} no seed has a result of every method."
        scores.append([sum(values[seed] for seed in seeds) / len(seeds) for values in found])
    why = "Ranks are by the mean AUROC over the seeds that all methods have."
    return critical_differences(labels, ranking(scores), "data sets or categories"), why


def _scatter(outcomes: Outcomes, protocol: str) -> Plot | None:
    """Plot of mean AUROC over the rows against mean time of a prediction, for methods with results on every row."""
    points = []
    methods = {method.label: method.name for method in outcomes.plan.methods}
    for label in outcomes.labels:
        auroc, time = (
            outcomes.complete_seeds(label, outcomes.rows, protocol, key) for key in (AUROC.key, "score_ms_per_image")
        )
        if auroc and time and min(time.values()) > 0:
            own = methods[label].startswith("algan")
            points.append(Point(label, spread(list(time.values())).mean, spread(list(auroc.values())).mean, own))
    if len(points) < 2:
        return None
    caption = "Upper left is better. The times are those of these runs, which may have shared the machine with others."
    return accuracy_against_time(points, f"{caption} {named(protocol)}; scale {outcomes.plan.scale}.")


def _reference(outcomes: Outcomes) -> str:
    """The label that the others are compared with: ALGAN, unless the plan names another or has no ALGAN."""
    wanted = outcomes.plan.options.get("compare_with")
    own = [method.label for method in outcomes.plan.methods if method.name.startswith("algan")]
    return wanted if wanted in outcomes.labels else (own or list(outcomes.labels))[0]


def _published(plan: Plan) -> list[Section]:
    table = result_tables.published_table(plan.thesis, plan.reference or "Thesis")
    return [Section("Published figures", "thesis", tables=(table,))] if table else []


def _missing(outcomes: Outcomes) -> list[Section]:
    table = result_tables.failure_table(outcomes)
    return [Section("Runs without a result", tables=(table,))] if table else []


def _provenance(outcomes: Outcomes) -> Section:
    """Machine, versions, dates and settings: all distinct values among the runs."""
    done = outcomes.done()
    rows = [
        ("selection of the weights", _distinct(f"{r.spec.label}: {r.selection}" for r in done if r.selection)),
        ("machine", _distinct(_pairs(each.machine) for each in done)),
        ("versions", _distinct(_pairs(each.versions) for each in done)),
        ("git", _distinct(_pairs(each.git) for each in done)),
        ("first run started", min((each.started for each in done), default="")),
        ("last run started", max((each.started for each in done), default="")),
        ("settings", _distinct(f"{label}: {_pairs(settings)}" for label, settings in _settings(outcomes.plan))),
        ("drawn by lot, left out, skipped", _distinct(_pairs(each.notes) for each in done)),
    ]  # fmt: skip
    body = tuple((name, (Cell(text),)) for name, text in rows if text)
    caption = "Complete, run by run, in results.jsonl."
    if outcomes.unknown:
        caption += f" {outcomes.unknown} lines there belong to other settings than this plan's and take no part."
    return Section("How it was made", folded=(Table("Machine, versions, settings", caption, "", ("",), body),))


def _settings(plan: Plan) -> Iterable[tuple[str, object]]:
    return [(method.label, plan.settings_of(method) or "as they are by default") for method in plan.methods]


def _distinct(texts: Iterable[str], most: int = 12) -> str:
    found = [text for text in dict.fromkeys(texts) if text]
    return "; ".join(found[:most]) + (f"; and {len(found) - most} more" if len(found) > most else "")


def _pairs(value: object) -> str:
    return ", ".join(f"{k} {v}" for k, v in value.items()) if isinstance(value, dict) else str(value or "")


def _as_markdown(page: Page) -> str:
    lines = [f"# {page.title}", "", *([page.reference, ""] if page.reference else [])]
    lines += [", ".join(f"{name} {value}" for name, value in page.facts) + ".", ""]
    lines += [text for note in (*page.notes, *(f"**{warning}**" for warning in page.warnings)) for text in (note, "")]
    for section in page.sections:
        lines += [f"## {section.title}" + (f" (protocol {section.badge})" if section.badge else ""), ""]
        lines += [section.text, ""] if section.text else []
        lines += [markdown(table) for table in (*section.tables, *section.folded)]
    return "\n".join(lines)


def _write(path: Path, text: str) -> None:
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
