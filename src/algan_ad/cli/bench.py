"""`algan bench`."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

from tyro.conf import arg

from algan_ad.cli.parsing import Device, Json, ModelFolder, Runtime, Threads, emit, parse


@dataclass
class Bench:
    """Measure the speed of a model on this machine: each stage, throughput, start, memory, and the share of the
    machine's own limit.

    No torch is needed where the model needs none. Let the machine do nothing else meanwhile.
    """

    model: ModelFolder
    against: Annotated[
        Path | None, arg(metavar="MODEL", help="measure another model in turn, and how many times faster MODEL is")
    ] = None
    images: Annotated[
        tuple[Path, ...], arg(help="images or folders (default: a made-up photograph of 1000 x 1000 pixels)")
    ] = ()
    rounds: Annotated[int, arg(help="repetitions of each measurement")] = 50
    device: Device = "auto"
    runtime: Runtime = "auto"
    threads: Threads = None
    json: Json = False


def verb(argv: list[str]) -> int:
    o = parse(Bench, "bench", argv)
    from algan_ad.cli.show_bench import show_bench, show_comparison
    from algan_ad.workflows.bench import bench, compare

    how = {"device": o.device, "runtime": o.runtime, "threads": o.threads}
    found = bench(o.model, o.images, o.rounds, **how)
    if o.against is None:
        return emit(found.to_dict(), o.json, lambda console: show_bench(console, found))
    other = bench(o.against, o.images, o.rounds, **how)
    ratios = compare(o.model, o.against, o.images, o.rounds, **how)
    result = {
        "model": found.to_dict(),
        "against": other.to_dict(),
        "ratios": {name: asdict(ratio) for name, ratio in ratios.items()},
    }
    return emit(result, o.json, lambda console: show_comparison(console, found, other, ratios))
