"""The command line: parses, calls a workflow, prints. Heavy imports live inside each verb."""

import dataclasses
import io
import json
import os
import shlex
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from inspect import cleandoc
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro
from pydantic import ValidationError
from rich.console import Console
from tyro.conf import FlagCreatePairsOff, OmitArgPrefixes, Positional, arg

from algan_ad import __version__
from algan_ad.runtime.errors import AlganError, InputError, MissingExtra
from algan_ad.runtime.schema import describe

Device = Literal["auto", "cpu", "cuda", "mps"]
Json = Annotated[bool, arg(help="print one JSON object on standard output")]
Strict = Annotated[bool, arg(help="an unreadable file ends the run instead of being skipped and listed")]
Threads = Annotated[int | None, arg(help="threads of one operation (default: the physical cores)")]
ModelFolder = Annotated[Positional[Path], arg(metavar="MODEL", help="a folder that `algan train` made")]

OVERVIEW = f"""\
algan {__version__}: anomaly detection that learns from normal examples only

  algan demo                          the main job on made-up parts, in minutes: train, threshold, report
  algan data check PATH               what would be used as train / test / masks, before anything runs
  algan data get NAME                 download a known data set, or say how to get it
  algan train PATH --out MODEL        learn from a folder of good images, or a table of good vectors
  algan evaluate MODEL PATH           measure on labelled images and write report.html
  algan predict MODEL IMAGE...        score and decide new images
  algan info MODEL                    what a model is, how it was made, what its threshold promises
  algan methods                       the methods that `train --method` knows
  algan benchmark list                the comparisons that ship: every table and figure of the thesis
  algan benchmark run PLAN            carry one out, or go on with it
  algan benchmark report FOLDER       tables and a page from its results

Each verb explains itself with --help and prints one JSON object with --json.
"""


def main(argv: Sequence[str] | None = None) -> None:
    """Entry point of `algan`. Exit status: 0 done, 2 wrong usage or input, 1 anything else."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # a file name may hold what a terminal cannot show
    try:
        status = run(list(sys.argv[1:] if argv is None else argv))
        sys.stdout.flush()
    except BrokenPipeError:  # the reader, `| head`, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        status = 1
    sys.exit(status)


def run(argv: list[str]) -> int:
    """One call of the command; returns the exit status."""
    if not argv or argv[0] in ("-h", "--help"):
        print(OVERVIEW)
        return 0
    if argv[0] == "--version":
        print(__version__)
        return 0
    try:
        verb, rest = _find_verb(argv)
        return verb(rest)
    except ValidationError as error:
        return _fail(describe(error), 2)
    except (InputError, MissingExtra) as error:
        return _fail(str(error), 2)
    except AlganError as error:
        return _fail(str(error), 1)
    except SystemExit as stop:  # tyro has shown the help, or what is wrong with an option
        return int(stop.code or 0)
    except ModuleNotFoundError as error:
        return _fail(f"{error.name} is not installed; this verb needs pip install 'algan-ad[train]'", 2)
    except BrokenPipeError:
        raise
    except OSError as error:  # a disk that fails, a file that goes away meanwhile
        return _fail(f"{error.filename or 'input or output'}: {error.strerror or error}", 1)
    except KeyboardInterrupt:
        return _fail("stopped" + "; the same command goes on with what is not done" * (argv[0] == "benchmark"), 1)


def _fail(message: str, status: int) -> int:
    Console(stderr=True).print(f"algan: {message}", markup=False, highlight=False, soft_wrap=True)
    return status


def _find_verb(argv: list[str]) -> tuple[Callable[[list[str]], int], list[str]]:
    for words in (2, 1):
        name = " ".join(argv[:words])
        if name in VERBS:
            return VERBS[name], argv[words:]
    raise InputError(f"{argv[0]!r} is not a verb; expected one of {', '.join(VERBS)} (see algan --help)")


def _parse(kind: type[Any], verb: str, argv: list[str], text: str | None = None) -> Any:
    return tyro.cli(
        kind,
        prog=f"algan {verb}",
        args=argv,
        description=cleandoc(text or kind.__doc__ or ""),
        config=(OmitArgPrefixes, FlagCreatePairsOff),
    )


def _emit(result: dict[str, Any], as_json: bool, show: Callable[[Console], None]) -> int:
    """A result for machines or for people, on standard output."""
    if as_json:
        print(json.dumps(result, allow_nan=False))
    else:
        show(Console(markup=False, emoji=False, highlight=False))  # file names are shown as they are
    return 0


# --- train -----------------------------------------------------------------------------------------------------


@dataclass
class Train:
    """Learn what normal looks like, hold out some normals to set the threshold, write a model folder.

    PATH is a folder of images (MVTec layout, good images alone, good/ beside folders of bad ones, MTD,
    COIL-100) or a table of vectors (.npy, .npz, .csv, .parquet). Nothing is ever trained on an anomaly.
    """

    path: Annotated[Positional[Path], arg(help="a folder of images, or a table of vectors")]
    out: Annotated[Path | None, arg(help="the model folder (default: models/NAME-METHOD)")] = None
    false_alarm_rate: Annotated[float, arg(help="wanted share of good parts flagged")] = 0.01
    seed: Annotated[int, arg(help="the same seed gives the same model, bit for bit on one machine")] = 0
    device: Device = "auto"
    threads: Threads = None
    resume: Annotated[bool, arg(help="continue the unfinished run of --out")] = False
    overwrite: Annotated[
        bool, arg(help="replace the model in --out once the new one is whole; forget an unfinished run")
    ] = False
    strict: Strict = False
    checkpoint_seconds: Annotated[float, arg(help="checkpoints are at least this far apart")] = 60.0
    track: Annotated[tuple[Literal["tensorboard", "mlflow"], ...], arg(help="also log there")] = ()
    quality_backbone: Annotated[str | None, arg(help="judges generated images: Fréchet distance, inception score")] = (
        None
    )
    quality_weights: Annotated[Path | None, arg(help="its weights file (default: from the hub)")] = None
    json: Json = False


def _train(argv: list[str]) -> int:
    from algan_ad.detectors import METHODS
    from algan_ad.detectors.trained import TrainedDetector
    from algan_ad.workflows.samples import DataSettings
    from algan_ad.workflows.train import train

    name = _peek(argv, "--method", "algan-image")
    if name not in METHODS:
        raise InputError(f"--method {name}: not known; expected one of {', '.join(METHODS)}")

    methods = ", ".join(METHODS)
    options: list[Any] = [
        ("method", Annotated[str, arg(help=f"one of {methods}; its own options are listed below")], name),
        ("data", DataSettings, field(default_factory=DataSettings)),
        ("config", METHODS[name].Config, field(default_factory=METHODS[name].Config)),
    ]
    o = _parse(dataclasses.make_dataclass("Train", options, bases=(Train,)), "train", argv, Train.__doc__)
    data = o.path.resolve()
    out = o.out or Path("models") / f"{data.name if data.is_dir() else data.stem}-{name}"
    passed = {
        f.name: getattr(o, f.name)
        for f in dataclasses.fields(o)
        if f.name not in ("path", "method", "out", "json", "data")
    }
    try:
        model = train(o.path, name, out, settings=o.data, **passed)
    except KeyboardInterrupt:
        epochs = issubclass(METHODS[name], TrainedDetector)
        return _fail("stopped" + "; add --resume to continue from the last checkpoint" * epochs, 1)
    c = model.config
    result = {
        "model": str(out), "method": c.method, "protocol": c.protocol, "seed": c.seed, "selection": c.selection,
        "threshold": c.calibration.threshold if c.calibration else None, **c.training,
    }  # fmt: skip
    if c.training["n_test"]:
        following = shlex.join(["algan", "evaluate", str(out), str(o.path)])
    else:  # nothing labelled is left to measure with
        following = shlex.join(["algan", "predict", str(out)]) + (" IMAGE..." if c.input == "image" else " TABLE...")
    return _emit(result, o.json, lambda console: console.print(f"model: {out}\nnext:  {following}", soft_wrap=True))


def _peek(argv: Sequence[str], option: str, default: str) -> str:
    """The value of an option that decides which further options there are; given twice, the last counts."""
    found = default
    for i, word in enumerate(argv):
        if word == option and i + 1 < len(argv):
            found = argv[i + 1]
        elif word.startswith(option + "="):
            found = word.split("=", 1)[1]
    return found


# --- evaluate --------------------------------------------------------------------------------------------------


@dataclass
class Evaluate:
    """Measure a model on labelled images it has not seen; write evaluation.json and report.html.

    Images whose content the model was made with are left out and counted, so that the folder it was trained on
    can be given as it is.
    """

    model: ModelFolder
    path: Annotated[Positional[Path], arg(help="a folder of labelled images, or an .npz table with X and y")]
    report: Annotated[
        Path | None, arg(help="folder for the report (default: MODEL/evaluation, in it DATASET for a further data set)")
    ] = None
    no_maps: Annotated[bool, arg(help="leave out the maps beside the images, slow with a large backbone")] = False
    device: Device = "auto"
    threads: Threads = None
    strict: Strict = False
    json: Json = False


def _evaluate(argv: list[str]) -> int:
    o = _parse(Evaluate, "evaluate", argv)
    from algan_ad.training.device import set_threads
    from algan_ad.workflows.evaluate import evaluate, report, report_folder
    from algan_ad.workflows.model import load_model
    from algan_ad.workflows.tables import show_evaluation

    set_threads(o.threads)
    model = load_model(o.model, o.device)
    evaluation = evaluate(model, o.path, o.strict)
    folder = o.report or report_folder(o.model, evaluation.dataset)
    page = report(model, evaluation, folder, o.model, not o.no_maps)
    result = {**evaluation.summary(), "model": str(o.model), "report": str(page)}
    return _emit(result, o.json, lambda console: show_evaluation(console, evaluation, page))


# --- predict ---------------------------------------------------------------------------------------------------


@dataclass
class Predict:
    """Score and decide images: files, or folders and all below them. The most anomalous come first on screen."""

    model: ModelFolder
    paths: Annotated[
        Positional[tuple[Path, ...]], arg(metavar="PATH...", help="images, folders of them, or tables of vectors")
    ]
    out: Annotated[Path | None, arg(help="write all predictions as CSV")] = None
    maps: Annotated[
        Path | None,
        arg(help="write the anomaly map of each image (or an attribution of its score), laid over it, here"),
    ] = None
    false_alarm_rate: Annotated[float | None, arg(help="decide by another rate than the model was trained with")] = None
    device: Device = "auto"
    threads: Threads = None
    strict: Strict = False
    json: Json = False


def _predict(argv: list[str]) -> int:
    o = _parse(Predict, "predict", argv)
    from algan_ad.runtime.prediction import write_csv
    from algan_ad.runtime.progress import log
    from algan_ad.training.device import set_threads
    from algan_ad.workflows.model import load_model
    from algan_ad.workflows.predict import predict_files
    from algan_ad.workflows.tables import show_predictions

    if not o.paths:
        raise InputError("predict: expected at least one image or folder after the model")
    set_threads(o.threads)
    model = load_model(o.model, o.device)
    if o.false_alarm_rate is not None:
        model = model.with_false_alarm_rate(o.false_alarm_rate)
    calibration = model.config.calibration
    if o.false_alarm_rate is not None and calibration is not None and not calibration.sufficient:
        log(f"warning: {calibration.explain()}")
    predictions, skipped = predict_files(model, o.paths, o.maps, o.strict)
    if o.out is not None:
        write_csv(predictions, o.out)
    result = {
        "model": str(o.model),
        "n": len(predictions),
        "n_anomalous": sum(bool(each.anomalous) for each in predictions),
        "guaranteed_rate": calibration.guaranteed_rate if calibration else None,
        "predictions": [each.to_dict() for each in predictions],
        "skipped": [{"path": str(each.path), "reason": each.reason} for each in skipped],
    }
    return _emit(result, o.json, lambda console: show_predictions(console, predictions, skipped, o.out))


# --- info, demo, data ------------------------------------------------------------------------------------------


@dataclass
class Info:
    """What a model is: method, plan with fixed / derived / user marks, data, threshold and its promise."""

    model: ModelFolder
    json: Json = False


def _info(argv: list[str]) -> int:
    o = _parse(Info, "info", argv)
    from algan_ad.runtime.model_folder import read_model
    from algan_ad.runtime.tables import show_model

    config, _ = read_model(o.model)
    return _emit(config.model_dump(mode="json"), o.json, lambda console: show_model(console, o.model, config))


@dataclass
class Demo:
    """The main job on parts made up from a seed: train, set the threshold, evaluate, write a report."""

    out: Annotated[Path, arg(help="folder for the data, the model and the report")] = Path("demo")
    seed: int = 0
    device: Device = "auto"
    threads: Threads = None
    json: Json = False


def _demo(argv: list[str]) -> int:
    o = _parse(Demo, "demo", argv)
    from algan_ad.workflows.demo import demo
    from algan_ad.workflows.tables import show_evaluation

    done = demo(o.out, o.seed, o.device, o.threads)
    result = {
        **done.evaluation.summary(),
        "model": str(done.model),
        "report": str(done.report),
        "data": str(done.data),
    }
    return _emit(result, o.json, lambda console: show_evaluation(console, done.evaluation, done.report))


@dataclass
class DataCheck:
    """What would be used as train / calibration / test / masks, and what is wrong with it. Nothing is changed."""

    path: Annotated[Positional[Path], arg(help="a folder of images")]
    protocol: Literal["normal-only", "thesis"] = "normal-only"
    calibration_fraction: float = 0.2
    seed: int = 0
    json: Json = False


@dataclass
class DataGet:
    """Download a data set of the catalogue, or say what to fetch and where to put it. `demo` is made on the spot."""

    name: Positional[Literal["demo", "mvtec-ad", "mtd", "coil-100"]]
    into: Annotated[Path, arg(help="folder for data sets")] = Path("data")
    seed: Annotated[int, arg(help="of the demo set")] = 0
    json: Json = False


def _data_check(argv: list[str]) -> int:
    o = _parse(DataCheck, "data check", argv)
    from algan_ad.data.check import check
    from algan_ad.data.layouts import open_dataset
    from algan_ad.data.splits import split
    from algan_ad.workflows.tables import show_check

    dataset = open_dataset(o.path)
    report = check(dataset, split(dataset, o.protocol, o.seed, o.calibration_fraction))
    return _emit(report.to_dict(), o.json, lambda console: show_check(console, report))


def _data_get(argv: list[str]) -> int:
    o = _parse(DataGet, "data get", argv)
    from algan_ad.data.demo import make_demo
    from algan_ad.data.download import get

    folder = make_demo(o.into / "demo", o.seed) if o.name == "demo" else get(o.name, o.into)
    result = {"name": o.name, "folder": str(folder)}
    return _emit(result, o.json, lambda console: console.print(str(folder), soft_wrap=True))


# --- methods and benchmarks ------------------------------------------------------------------------------------


@dataclass
class Methods:
    """The methods there are: what each needs, what it returns, how it is fitted."""

    json: Json = False


def _methods(argv: list[str]) -> int:
    o = _parse(Methods, "methods", argv)
    from algan_ad.workflows.methods import describe_methods, show_methods

    methods = describe_methods()
    return _emit({"methods": [dict(each) for each in methods]}, o.json, lambda console: show_methods(console, methods))


PlanName = Annotated[Positional[str], arg(metavar="PLAN", help="a plan's name (algan benchmark list) or TOML file")]


@dataclass
class BenchmarkRun:
    """Carry out every run of a plan that is not done yet, and write each result as it comes.

    The same command again goes on where the last one stopped, or joins in where one is at work. Failures are
    recorded and shown; exit status 1 tells of them.
    """

    plan: PlanName
    data: Annotated[Path | None, arg(help="the folder that holds the data sets, by their names in the catalogue")] = (
        None
    )
    out: Annotated[Path | None, arg(help="folder for the results (default: results/PLAN, or results/PLAN-small)")] = (
        None
    )
    scale: Annotated[
        Literal["full", "small"], arg(help="small: what the plan's author thinks fits a small machine")
    ] = "full"
    workers: Annotated[
        int | None, arg(help="runs at a time (default: the GPUs, or else the cores); 0: without Ray")
    ] = None
    address: Annotated[str | None, arg(help="a Ray cluster to work on (default: this machine)")] = None
    seeds: Annotated[tuple[int, ...], arg(help="instead of the plan's")] = ()
    retry_failed: Annotated[bool, arg(help="run again what has failed before")] = False
    device: Device = "auto"
    json: Json = False


def _benchmark_run(argv: list[str]) -> int:
    o = _parse(BenchmarkRun, "benchmark run", argv)
    from algan_ad.benchmark.plan import read_plan
    from algan_ad.benchmark.run import default_folder, run_plan
    from algan_ad.benchmark.sources import Sources

    sources = Sources(o.data.absolute() if o.data else None)
    plan = read_plan(o.plan, sources).at(o.scale)
    if o.seeds:
        plan = plan.model_copy(update={"seeds": o.seeds})
    folder = o.out or default_folder(plan)
    summary = run_plan(
        plan, sources, folder, workers=o.workers, address=o.address, device=o.device, retry_failed=o.retry_failed
    )
    following = shlex.join(["algan", "benchmark", "report", str(folder)])
    result = {"plan": plan.name, "scale": plan.scale, "folder": str(folder), **dataclasses.asdict(summary)}
    text = f"{len(summary.done)} runs done, {len(summary.failed)} failed: {folder}\nnext:  {following}"
    _emit(result, o.json, lambda console: console.print(text, soft_wrap=True))
    return 1 if summary.failed else 0


@dataclass
class BenchmarkList:
    """The plans that ship with the package."""

    json: Json = False


def _benchmark_list(argv: list[str]) -> int:
    o = _parse(BenchmarkList, "benchmark list", argv)
    from algan_ad.benchmark.plan import read_plan, shipped

    plans = [read_plan(name) for name in shipped()]
    result = [{"name": plan.name, "title": plan.title, "reference": plan.reference or None} for plan in plans]

    def show(console: Console) -> None:
        from rich.table import Table

        table = Table("plan", "reproduces", "title", box=None)
        for plan in plans:
            table.add_row(plan.name, plan.reference, plan.title)
        console.print(table)

    return _emit({"plans": result}, o.json, show)


@dataclass
class BenchmarkReport:
    """Tables (Markdown, CSV, LaTeX) and an HTML page from a folder of results, finished or not."""

    results: Annotated[Positional[Path], arg(help="the folder of the results, or its results.jsonl")]
    json: Json = False


def _benchmark_report(argv: list[str]) -> int:
    o = _parse(BenchmarkReport, "benchmark report", argv)
    from algan_ad.benchmark.report import write_report

    folder = o.results.parent if o.results.is_file() else o.results
    page = write_report(folder)
    result = {"folder": str(folder), "report": str(page)}
    return _emit(result, o.json, lambda console: console.print(f"report: {page}", soft_wrap=True))


VERBS: dict[str, Callable[[list[str]], int]] = {
    "demo": _demo,
    "data check": _data_check,
    "data get": _data_get,
    "train": _train,
    "evaluate": _evaluate,
    "predict": _predict,
    "info": _info,
    "methods": _methods,
    "benchmark run": _benchmark_run,
    "benchmark list": _benchmark_list,
    "benchmark report": _benchmark_report,
}


if __name__ == "__main__":
    main()
