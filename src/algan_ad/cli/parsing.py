"""Parts that the verbs share: common options, parsing, and output of results and errors."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from getpass import getuser
from inspect import cleandoc
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import tyro
from rich.console import Console
from tyro.conf import DisallowNone, FlagCreatePairsOff, OmitArgPrefixes, Positional, arg

from algan_ad.cli.help import explained
from algan_ad.runtime.errors import InputError, Option

if TYPE_CHECKING:
    from algan_ad.service.record.record import Record

Device = Annotated[
    Literal["auto", "cpu", "cuda", "mps"], arg(help="device to compute on; auto: CUDA, then MPS, then the CPU")
]
Json = Annotated[bool, arg(help="print one JSON object on standard output")]
Strict = Annotated[bool, arg(help="an unreadable file ends the run instead of being skipped and listed")]
Threads = Annotated[int | None, arg(help="threads of one operation (default: the physical cores)")]
Provider = Annotated[
    str | None,
    arg(
        help="execution provider of ONNX Runtime, or device of OpenVINO, for the exported network (default: the "
        "processor)"
    ),
]
Runtime = Annotated[
    Literal["auto", "onnx", "openvino", "torch"],
    arg(
        help="scores by the exported network in ONNX Runtime (onnx) or OpenVINO, or by torch; auto: by ONNX Runtime "
        "where the model has a network"
    ),
]
ModelFolder = Annotated[Positional[Path], arg(metavar="MODEL", help="a folder that `algan train` made")]
StationFolder = Annotated[Path, arg(help="folder of the station: record, images, maps")]
Database = Annotated[
    str | None, arg(help="URL of a PostgreSQL database for the record (default: SQLite in the station)")
]


@dataclass
class Scoring:
    """Options of everything that scores with a model."""

    device: Device = "auto"
    runtime: Runtime = "auto"
    threads: Threads = None
    provider: Provider = None
    batch_size: Annotated[int | None, arg(help="images that the exported network scores at once (default: 16)")] = None


def parse(kind: type[Any], verb: str, argv: list[str], text: str | None = None) -> Any:
    """The options of a verb from its words; `text` heads the help in place of the docstring of `kind`."""
    return tyro.cli(
        explained(kind),
        prog=f"algan {verb}",
        args=argv,
        description=cleandoc(text or kind.__doc__ or ""),
        config=(OmitArgPrefixes, FlagCreatePairsOff, DisallowNone),
    )


@contextmanager
def open_record(station: Path, db: str | None, new: bool = False) -> "Iterator[Record]":
    """The record of a station, also while a server uses it. Raises InputError when there is none, unless `new`."""
    from algan_ad.service.record.database import RECORD, url_of
    from algan_ad.service.record.record import Record

    if new:
        station.mkdir(mode=0o700, parents=True, exist_ok=True)
    elif db is None and not (station / RECORD).is_file():
        raise InputError(f"{station}: no station; name its folder with ", Option("station"))
    record = Record(db or url_of(station))
    try:
        yield record
    finally:
        record.close()


def by() -> str:
    """The person at the command line, for the audit log."""
    try:
        return f"{getuser()} (command line)"
    except OSError:  # a user without a name
        return "command line"


def emit(result: dict[str, Any], as_json: bool, show: Callable[[Console], None]) -> int:
    """Write a result for machines or for people on standard output. Returns the exit status."""
    if as_json:
        print(json.dumps(result, allow_nan=False))
    else:
        show(Console(markup=False, emoji=False, highlight=False))  # file names are shown as they are
    return 0


def fail(message: str, status: int) -> int:
    """Write an error on standard error. Returns the exit status."""
    Console(stderr=True).print(f"algan: {message}", markup=False, highlight=False, soft_wrap=True)
    return status
