"""`algan benchmark run`, `list` and `report`."""

import dataclasses
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from rich.console import Console
from tyro.conf import Positional, arg

from algan_ad.cli.parsing import Device, Json, emit, parse

PlanName = Annotated[Positional[str], arg(metavar="PLAN", help="a plan's name (algan benchmark list) or TOML file")]


@dataclass
class BenchmarkRun:
    """Carry out every run of a plan that is not done yet, and write each result as it comes.

    Given again, the same command goes on where the last one stopped, or joins one that is at work. Failures are
    recorded and shown; exit status 1 reports them.
    """

    plan: PlanName
    data: Annotated[
        Path | None, arg(help="the folder that holds the data sets, by their names in the catalogue (`algan data get`)")
    ] = None
    out: Annotated[Path | None, arg(help="folder for the results (default: results/PLAN, or results/PLAN-small)")] = (
        None
    )
    scale: Annotated[Literal["full", "small"], arg(help="small: the plan's settings for a small machine")] = "full"
    workers: Annotated[
        int | None, arg(help="runs at a time; 0: one, without Ray (default: the GPUs, or else the cores)")
    ] = None
    threads: Annotated[int, arg(help="threads of one run; they change the rounding of figures only")] = 1
    address: Annotated[str | None, arg(help="a Ray cluster to work on (default: this machine)")] = None
    seeds: Annotated[tuple[int, ...], arg(help="whole numbers, 0 or more (default: the plan's)")] = ()
    retry_failed: Annotated[bool, arg(help="repeat the runs that failed before")] = False
    device: Device = "auto"
    json: Json = False


def run_verb(argv: list[str]) -> int:
    o = parse(BenchmarkRun, "benchmark run", argv)
    from algan_ad.benchmark.plan_files import read_plan
    from algan_ad.benchmark.run import default_folder, run_plan
    from algan_ad.benchmark.sources import Sources

    sources = Sources(o.data.absolute() if o.data else None)
    plan = read_plan(o.plan, sources).at(o.scale)
    if o.seeds:
        plan = plan.model_copy(update={"seeds": o.seeds})
    folder = o.out or default_folder(plan)
    summary = run_plan(
        plan, sources, folder, workers=o.workers, address=o.address, device=o.device, threads=o.threads,
        retry_failed=o.retry_failed,
    )  # fmt: skip
    following = shlex.join(["algan", "benchmark", "report", str(folder)])
    result = {"plan": plan.name, "scale": plan.scale, "folder": str(folder), **dataclasses.asdict(summary)}
    text = f"{len(summary.done)} runs done, {len(summary.failed)} failed: {folder}\nnext:  {following}"
    emit(result, o.json, lambda console: console.print(text, soft_wrap=True))
    return 1 if summary.failed else 0


@dataclass
class BenchmarkList:
    """List the plans that ship with the package."""

    json: Json = False


def list_verb(argv: list[str]) -> int:
    o = parse(BenchmarkList, "benchmark list", argv)
    from algan_ad.benchmark.shipped import titles

    plans = titles()
    result = [{"name": plan.name, "title": plan.title, "reference": plan.reference or None} for plan in plans]

    def show(console: Console) -> None:
        from rich.table import Table

        table = Table("plan", "reproduces", "title", box=None)
        for plan in plans:
            table.add_row(plan.name, plan.reference, plan.title)
        console.print(table)

    return emit({"plans": result}, o.json, show)


@dataclass
class BenchmarkReport:
    """Write tables (Markdown, CSV, LaTeX) and an HTML page from a folder of results, finished or not."""

    results: Annotated[Positional[Path], arg(help="the folder of the results, or its results.jsonl")]
    json: Json = False


def report_verb(argv: list[str]) -> int:
    o = parse(BenchmarkReport, "benchmark report", argv)
    from algan_ad.benchmark.report import write_report

    folder = o.results.parent if o.results.is_file() else o.results
    page = write_report(folder)
    result = {"folder": str(folder), "report": str(page)}
    return emit(result, o.json, lambda console: console.print(f"report: {page}", soft_wrap=True))
