"""`algan data check` and `algan data get`."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from tyro.conf import Positional, arg

from algan_ad.cli.parsing import Json, emit, parse
from algan_ad.runtime.protocols import Protocol, described


@dataclass
class DataCheck:
    """Show the use of the data as train / calibration / test / masks, and all that is wrong with it. Change nothing."""

    path: Annotated[Positional[Path], arg(help="a folder of images, or a list of them (.csv, .parquet)")]
    protocol: Annotated[Protocol, arg(help=described())] = "normal-only"
    calibration_fraction: Annotated[float, arg(help="share of the good images held out to set the threshold")] = 0.2
    seed: Annotated[int, arg(help="seed of the division")] = 0
    json: Json = False


@dataclass
class DataGet:
    """Download a data set of the catalogue, or say what to fetch and where to put it. `demo` is made on the spot."""

    name: Annotated[Positional[Literal["demo", "mvtec-ad", "mtd", "coil-100"]], arg(help="the data set")]
    into: Annotated[Path, arg(help="folder for data sets; this one goes to INTO/NAME")] = Path("data")
    seed: Annotated[int, arg(help="seed of the demo set")] = 0
    json: Json = False


def check_verb(argv: list[str]) -> int:
    o = parse(DataCheck, "data check", argv)
    from algan_ad.cli.show import show_check
    from algan_ad.data.check import check
    from algan_ad.data.layouts import open_dataset
    from algan_ad.data.splits import split

    dataset = open_dataset(o.path)
    report = check(dataset, split(dataset, o.protocol, o.seed, o.calibration_fraction))
    return emit(report.to_dict(), o.json, lambda console: show_check(console, report))


def get_verb(argv: list[str]) -> int:
    o = parse(DataGet, "data get", argv)
    from algan_ad.data.demo import make_demo
    from algan_ad.data.download import get

    folder = make_demo(o.into / "demo", o.seed) if o.name == "demo" else get(o.name, o.into)
    result = {"name": o.name, "folder": str(folder)}
    return emit(result, o.json, lambda console: console.print(str(folder), soft_wrap=True))
