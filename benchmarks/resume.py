"""`algan train` killed with -9 at random moments, resumed, and compared bit by bit with an uninterrupted run.

    python benchmarks/resume.py --times 10

Each trial is a fresh run, killed once at a random moment of its life and then resumed with --resume.
"""

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from algan_ad.data.demo import make_demo

SETTINGS = [
    "--method", "algan-image", "--image-size", "32", "--width", "8", "--epochs", "96", "--observe-every", "4",
    "--checkpoint-seconds", "0", "--threads", "1", "--no-export",
]  # fmt: skip


def command(data: Path, out: Path, *more: str) -> list[str]:
    return [sys.executable, "-m", "algan_ad.cli", "train", str(data), "--out", str(out), *SETTINGS, *more]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    options = parser.parse_args()
    rng = random.Random(options.seed)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        data = make_demo(folder / "data", size=32, n_train=100, n_good=1, n_per_defect=1)
        start = time.monotonic()
        subprocess.run(command(data, folder / "whole"), check=True, capture_output=True)
        life = time.monotonic() - start
        whole = (folder / "whole" / "weights.safetensors").read_bytes()
        trials = [trial(data, folder / f"run{i}", rng.uniform(0.2, 1) * life, whole) for i in range(options.times)]
    identical = sum(each["identical"] for each in trials)
    print(json.dumps({"identical": identical, "of": options.times, "seconds_alone": round(life, 1), "trials": trials}))
    sys.exit(0 if identical == options.times else 1)


def trial(data: Path, out: Path, moment: float, whole: bytes) -> dict[str, object]:
    process = subprocess.Popen(command(data, out), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    time.sleep(moment)
    finished = process.poll() is not None
    if not finished:
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    rows = out.with_name(out.name + ".run") / "metrics.jsonl"
    epochs = len(rows.read_text().splitlines()) if rows.exists() else 0
    done = (out / "config.json").exists()
    if not done:
        begun = (out.with_name(out.name + ".run") / "plan.json").exists()
        subprocess.run(command(data, out, *(["--resume"] if begun else [])), check=True, capture_output=True)
    same = (out / "weights.safetensors").read_bytes() == whole
    return {"killed_at": round(moment, 2), "epochs_logged": epochs, "finished_before": finished, "identical": same}


if __name__ == "__main__":
    main()
