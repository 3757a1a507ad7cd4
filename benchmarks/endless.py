"""Scoring without end: memory that stays flat, and a table that no `kill -9` changes.

    python benchmarks/endless.py --into results/endless
    python benchmarks/endless.py --into results/endless --images 20000 --kills 15 --suffix parquet

Makes 500 small JPEG files, ten of them corrupt, a list that names them again and again, and a tiny ALGAN-image. Scores
the list by `algan predict` in one go, with the resident memory of the process read every 0.2 s, then again, killed at
random moments and gone on with by `--resume`. Prints a line of JSON: images a second; memory at each tenth of the way,
in MB; the rows that were there at each kill; and whether the tables are the same, byte for byte.
"""

import argparse
import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
from PIL import Image

DISTINCT, CORRUPT = 500, 10


def make(folder: Path, n: int) -> Path:
    """The files, and the list of them."""
    (folder / "parts").mkdir(parents=True, exist_ok=True)
    for i in range(DISTINCT):
        pixels = np.random.default_rng(i).normal(140, 12, (64, 64, 3)).clip(0, 255).astype(np.uint8)
        path = folder / f"parts/{i:03}.jpg"
        Image.fromarray(pixels).save(path)
        if i % (DISTINCT // CORRUPT) == 7:
            path.write_bytes(path.read_bytes()[:300])
    names = folder / f"{n}.txt"
    names.write_text("".join(f"parts/{i % DISTINCT:03}.jpg\n" for i in range(n)))
    return names


def command(*words: object) -> list[str]:
    return [sys.executable, "-m", "algan_ad.cli", *map(str, words)]


def resident(pid: int) -> float:
    """Resident memory of a process, MB."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def rows(partial: Path) -> int:
    return partial.read_bytes().count(b"\n") if partial.exists() else 0


def in_one_go(model: Path, names: Path, out: Path, n: int) -> dict[str, object]:
    """Score the list, and watch."""
    seen: list[tuple[int, float]] = []
    partial = out.with_name(f"{out.name}.partial")
    start = time.monotonic()
    with subprocess.Popen(command("predict", model, names, "--out", out), stdout=subprocess.DEVNULL) as process:
        while process.poll() is None:
            if partial.exists():
                done = partial.stat().st_size
                seen.append((done, resident(process.pid)))
            time.sleep(0.2)
    if process.returncode:
        sys.exit("the call without kills failed")
    whole = max(size for size, _ in seen)
    tenths = [
        max((mb for size, mb in seen if (k - 1) / 10 < size / whole <= k / 10), default=0.0) for k in range(1, 11)
    ]
    return {"images_per_second": round(n / (time.monotonic() - start)), "mb_by_tenths": [round(mb) for mb in tenths]}


def killed(model: Path, names: Path, out: Path, kills: int, n: int, seed: int) -> list[int]:
    """Score the list, killed when it has come to random rows. Returns the rows that were there at each kill."""
    partial = out.with_name(f"{out.name}.partial")
    moments = sorted(random.Random(seed).sample(range(n * 19 // 20), kills))
    found = []
    for moment in [*moments, None]:
        with subprocess.Popen(
            command("predict", model, names, "--out", out, "--resume"), stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        ) as process:  # fmt: skip
            while process.poll() is None:
                if moment is not None and rows(partial) >= moment:
                    time.sleep(random.Random(moment).random() / 10)
                    process.send_signal(signal.SIGKILL)
                    process.wait()
                    found.append(rows(partial))
                time.sleep(0.02)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--into", type=Path, required=True)
    parser.add_argument("--images", type=int, default=100_000)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--suffix", choices=["csv", "jsonl", "parquet"], default="csv")
    parser.add_argument("--seed", type=int, default=0)
    o = parser.parse_args()
    names, model = make(o.into, o.images), o.into / "model"
    if not model.exists():
        small = ("--method", "algan-image", "--image-size", 32, "--width", 4, "--epochs", 1)
        trained = command("train", o.into / "parts", "--out", model, *small)
        subprocess.run(trained, check=True, stdout=subprocess.DEVNULL)
    whole, broken = (o.into / f"{name}.{o.suffix}" for name in ("whole", "killed"))
    for path in (whole, broken):
        path.unlink(missing_ok=True)
        path.with_name(f"{path.name}.partial").unlink(missing_ok=True)
    result = {"images": o.images, **in_one_go(model, names, whole, o.images)}
    moments = killed(model, names, broken, o.kills, o.images, o.seed)
    digests = [hashlib.sha256(path.read_bytes()).hexdigest() for path in (whole, broken)]
    print(json.dumps({**result, "kills": len(moments), "rows_at_kills": moments, "same": digests[0] == digests[1],
                      "sha256": digests[0]}))  # fmt: skip


if __name__ == "__main__":
    main()
