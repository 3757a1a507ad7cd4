"""Parts that the verbs share: common options, parsing, and output of results and errors."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from inspect import cleandoc
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro
from rich.console import Console
from tyro.conf import DisallowNone, FlagCreatePairsOff, OmitArgPrefixes, Positional, arg

from algan_ad.cli.help import explained

Device = Annotated[
    Literal["auto", "cpu", "cuda", "mps"], arg(help="device to compute on; auto: CUDA, then MPS, then the CPU")
]
Json = Annotated[bool, arg(help="print one JSON object on standard output")]
Strict = Annotated[bool, arg(help="an unreadable file ends the run instead of being skipped and listed")]
Threads = Annotated[int | None, arg(help="threads of one operation (default: the physical cores)")]
Provider = Annotated[
    str | None, arg(help="execution provider of ONNX Runtime for the exported network (default: that of the CPU)")
]
ModelFolder = Annotated[Positional[Path], arg(metavar="MODEL", help="a folder that `algan train` made")]


@dataclass
class Scoring:
    """Options of everything that scores with a model."""

    device: Device = "auto"
    runtime: Annotated[
        Literal["auto", "onnx", "torch"],
        arg(help="scores by the exported network (onnx) or by torch; auto: the network where the model has one"),
    ] = "auto"
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
