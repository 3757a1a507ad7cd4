"""The command line: it finds the verb, and turns errors into a line and an exit status.

A verb, in the module of its name, parses, calls a workflow and prints. Its heavy imports lie inside.
"""

import io
import os
import sys
from collections.abc import Callable, Sequence

from pydantic import ValidationError

from algan_ad import __version__
from algan_ad.cli import (
    bench,
    benchmark,
    data,
    demo,
    evaluate,
    export,
    info,
    methods,
    plan,
    predict,
    serve,
    station_data,
    station_sinks,
    station_thresholds,
    station_tokens,
    threshold,
    train,
)
from algan_ad.cli.parsing import fail
from algan_ad.runtime.decoder_messages import silence_decoders
from algan_ad.runtime.errors import AlganError, InputError, MissingExtra, dashed
from algan_ad.runtime.progress import speak_dashes
from algan_ad.runtime.schema import describe

EXTRAS = {"matplotlib": "evaluate", "scipy": "evaluate"}  # that bring a package; "train" brings all others

OVERVIEW = f"""\
algan {__version__}: anomaly detection that learns from normal examples only

  algan demo                          do the main job on made-up parts, in minutes: train, threshold, report
  algan data check PATH               show the use of the data as train / test / masks, before anything runs
  algan data get NAME                 download a known data set, or say how to get it
  algan plan PATH                     every setting that `train` would choose, and why, as JSON to edit
  algan train PATH --out MODEL        learn from a folder of good images, or a table of good vectors
  algan evaluate MODEL PATH           measure on labelled images and write report.html
  algan predict MODEL IMAGE...        score and decide new images
  algan threshold MODEL               show the threshold and its promise, or set another false alarm rate
  algan export MODEL                  write the network that scores without torch, and check that it agrees
  algan info MODEL                    show a model: its method, its origin, the promise of its threshold
  algan bench MODEL                   measure its speed here: stages, throughput, start, memory
  algan methods                       list the methods that `train --method` knows
  algan benchmark list                list the comparisons that ship: every table and figure of the thesis
  algan benchmark run PLAN            carry out a comparison, or go on with it
  algan benchmark report FOLDER       write tables and a page from its results
  algan serve MODEL...                inspect parts over HTTP, with a record of every part
  algan station token add NAME        let somebody in
  algan station token list            list the tokens
  algan station token revoke ID       end a token and its sessions
  algan station threshold list        show the versions of a threshold
  algan station threshold propose     propose one from audited good parts, and show what it changes
  algan station threshold approve N   put a version to use
  algan station threshold roll-back   put the former version to use
  algan station sink list             list the receivers of results, and what waits for them
  algan station sink remove NAME      forget a receiver
  algan station export --out FILE     write the record as a table; --good FOLDER: judged good parts to train on
  algan station backup --out FOLDER   copy a station while it runs
  algan station restore BACKUP        put a backup back as a station

Each verb explains itself with --help and prints one JSON object with --json.
"""

VERBS: dict[str, Callable[[list[str]], int]] = {
    "demo": demo.verb,
    "data check": data.check_verb,
    "data get": data.get_verb,
    "plan": plan.verb,
    "train": train.verb,
    "evaluate": evaluate.verb,
    "predict": predict.verb,
    "threshold": threshold.verb,
    "export": export.verb,
    "info": info.verb,
    "bench": bench.verb,
    "methods": methods.verb,
    "benchmark run": benchmark.run_verb,
    "benchmark list": benchmark.list_verb,
    "benchmark report": benchmark.report_verb,
    "serve": serve.verb,
    "station token add": station_tokens.add_verb,
    "station token list": station_tokens.list_verb,
    "station token revoke": station_tokens.revoke_verb,
    "station threshold list": station_thresholds.list_verb,
    "station threshold propose": station_thresholds.propose_verb,
    "station threshold approve": station_thresholds.approve_verb,
    "station threshold roll-back": station_thresholds.roll_back_verb,
    "station sink list": station_sinks.list_verb,
    "station sink remove": station_sinks.remove_verb,
    "station export": station_data.export_verb,
    "station backup": station_data.backup_verb,
    "station restore": station_data.restore_verb,
}


def main(argv: Sequence[str] | None = None) -> None:
    """Entry point of `algan`. Exit status: 0 done, 2 wrong usage or input, 1 anything else."""
    _open_closed_streams()
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # a file name may hold what a terminal cannot show
    silence_decoders()
    try:
        status = run(list(sys.argv[1:] if argv is None else argv))
    except BrokenPipeError:  # the reader, `| head`, has seen enough
        status = 1
    sys.exit(_flush(status))


def _open_closed_streams() -> None:
    """Replace a stream that was closed, as by `>&-`, by one that leads nowhere."""
    for name in ("stdin", "stdout", "stderr"):  # in this order each gets back its own descriptor
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "r" if name == "stdin" else "w"))  # noqa: SIM115


def _flush(status: int) -> int:
    """Write out the rest of standard output. Returns the exit status, 1 if it could not take all."""
    try:
        sys.stdout.flush()
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # the interpreter tries again at its end
        if status == 0 and not isinstance(error, BrokenPipeError):
            fail(f"standard output: {error.strerror}", 1)
        return status or 1
    return status


def run(argv: list[str]) -> int:
    """Carry out one call of the command. Returns the exit status."""
    speak_dashes()
    try:
        if not argv or argv[0] in ("-h", "--help"):
            print(OVERVIEW)
            return 0
        if argv[0] == "--version":
            print(__version__)
            return 0
        verb, rest = _find_verb(argv)
        return verb(rest)
    except ValidationError as error:
        return fail(describe(error), 2)
    except (InputError, MissingExtra) as error:
        return fail(dashed(error.args), 2)
    except AlganError as error:
        return fail(dashed(error.args), 1)
    except SystemExit as stop:  # tyro has shown the help, or what is wrong with an option
        return int(stop.code or 0)
    except ModuleNotFoundError as error:
        missing = str(error.name).split(".")[0]
        serving = argv[0] in ("serve", "station") and missing != "torch"
        extra = "serve" if serving else EXTRAS.get(missing, "train")
        return fail(f"{error.name} is not installed; this verb needs pip install 'algan-ad[{extra}]'", 2)
    except BrokenPipeError:
        raise
    except OSError as error:  # a disk that fails, a file that goes away meanwhile
        return fail(f"{error.filename or 'input or output'}: {error.strerror or error}", 1)
    except KeyboardInterrupt:
        return fail("stopped" + "; the same command goes on with what is not done" * (argv[0] == "benchmark"), 1)


def _find_verb(argv: list[str]) -> tuple[Callable[[list[str]], int], list[str]]:
    for words in (3, 2, 1):
        name = " ".join(argv[:words])
        if name in VERBS:
            return VERBS[name], argv[words:]
    begun = [verb for verb in VERBS if verb.split()[0] == argv[0]]
    if begun:
        raise InputError(f"algan {argv[0]}: expected one of {', '.join(f'algan {verb}' for verb in begun)}")
    raise InputError(f"{argv[0]!r} is not a verb; expected one of {', '.join(VERBS)} (see algan --help)")
