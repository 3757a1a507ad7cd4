"""ALGAN-image on magnetic tiles at the size of the thesis, on one GPU, in calls of some minutes (Table 5.4).

    python benchmarks/full_size.py pack ../shared/data/mtd results/mtd.tar                  # where the data is
    python benchmarks/full_size.py run results/mtd.tar --out results/full-size --minutes 9  # on the GPU, until done
    algan benchmark report results/full-size

256 x 256, width 64, 512 epochs, batch 16; each seed trains once for both protocols. `pack` writes the tiles and their
masks as they are, 54 MiB. A call of `run` stops after --minutes and loses at most CHECKPOINT_SECONDS of work; the next
one goes on from there, to the bits of a run without a stop, on the same kind of machine. Seeds are done one after the
other, and each result is written when it is there, so that --seeds may name more than will fit.
"""

import argparse
import signal
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

from algan_ad.benchmark import run_folder
from algan_ad.benchmark.plan import Plan
from algan_ad.benchmark.run import Summary, run_plan
from algan_ad.benchmark.sources import Sources
from algan_ad.training.device import DeviceName

CHECKPOINT_SECONDS = 30.0  # a checkpoint of this size takes about a second
SIZES = {"image_size": 256, "width": 64, "epochs": 512, "batch_size": 16}
MOST_BYTES = 64 * 2**20  # of a pack


class TimeIsUp(BaseException):
    """The end of a call; no part of a run may take it for an error of its own."""


def pack(data: Path, out: Path) -> None:
    """Write the images and masks of MTD into one file. Raises SystemExit for another folder, or too large a pack."""
    files = [path for path in sorted(data.glob("MT_*/**/*")) if path.suffix.lower() in (".jpg", ".png")]
    if not files:
        raise SystemExit(f"{data}: holds no MT_... folders")
    out.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(out, "w") as tar:  # the images are compressed already
        for path in files:
            tar.add(path, str(Path("mtd") / path.relative_to(data)))
    if out.stat().st_size > MOST_BYTES:
        raise SystemExit(f"{out}: {out.stat().st_size} bytes, more than {MOST_BYTES}")
    print(f"{len(files)} files, {out.stat().st_size / 2**20:.1f} MiB: {out}")


def plan_of(seeds: list[int], settings: dict[str, Any]) -> Plan:
    return Plan.model_validate(
        {
            "name": "full-size", "title": "ALGAN-image on Magnetic Tile Defects at full size", "reference": "Table 5.4",
            "seeds": seeds, "protocols": ["thesis", "normal-only"], "keep": ["scores", "metrics"],
            "methods": [{"name": "algan-image", "settings": settings}], "data": [{"name": "mtd"}],
            "thesis": {"algan-image|mtd": "0.956"},
        }
    )  # fmt: skip


def run(
    packed: Path, out: Path, seeds: list[int], minutes: float, device: DeviceName, settings: dict[str, Any]
) -> Summary | None:
    """Work on the runs that are not done. Returns None when the time ended first."""
    run_folder.CHECKPOINT_SECONDS = CHECKPOINT_SECONDS
    with tempfile.TemporaryDirectory() as folder, tarfile.open(packed) as tar:
        tar.extractall(folder, filter="data")
        try:
            with ending_after(60 * minutes):
                return run_plan(plan_of(seeds, settings), Sources(Path(folder)), out, workers=0, device=device)
        except TimeIsUp:
            return None


@contextmanager
def ending_after(seconds: float) -> Iterator[None]:
    """Raise TimeIsUp in the block once the time is over."""

    def end(*_: object) -> NoReturn:
        raise TimeIsUp

    before = signal.signal(signal.SIGALRM, end)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    verbs = parser.add_subparsers(dest="verb", required=True)
    packing = verbs.add_parser("pack", help="write the data into one file")
    packing.add_argument("data", type=Path, help="the folder of MTD")
    packing.add_argument("out", type=Path)
    running = verbs.add_parser("run", help="work on the runs that are not done")
    running.add_argument("packed", type=Path)
    running.add_argument("--out", type=Path, required=True, help="folder of the results, the same in every call")
    running.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    running.add_argument("--minutes", type=float, default=9.0, help="time of this call")
    running.add_argument("--device", choices=["cuda", "cpu"], default="cuda")
    options = parser.parse_args()
    if options.verb == "pack":
        pack(options.data, options.out)
        return
    summary = run(options.packed, options.out, options.seeds, options.minutes, options.device, SIZES)
    if summary is None:
        print("the time is up; the same command goes on")
    else:
        print(f"{len(summary.done)} runs done, {len(summary.failed)} failed: {options.out}")


if __name__ == "__main__":
    main()
