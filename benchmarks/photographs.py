"""A folder as people have it: large photographs, some of them corrupt, with spaces and other letters in their names.

    python benchmarks/photographs.py --into results/photographs
    python benchmarks/photographs.py --into results/photographs --options "--tiles auto"

Makes 200 JPEG files of 4000 x 3000 pixels, ten of them corrupt, and as many bad ones of each kind of defect as
`--n-per-defect`: the plates of the demo, drawn at 500 pixels and enlarged, with the noise of a sensor. Then it trains,
without an option unless `--options` names some, evaluates and predicts by the command line, and prints a line of JSON:
seconds and peak memory of each verb, and the figures.
"""

import argparse
import json
import os
import shlex
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from algan_ad.data.demo_part import DEFECTS, make_part

WIDTH, HEIGHT, DRAWN = 4000, 3000, 500
N_GOOD, N_CORRUPT = 200, 10
NAMES = ("Teil {:03} größe.jpg", "部品 {:03}.jpg", "part {:03} (copy).JPG", "pièce n° {:03}.jpeg")


def photograph(key: tuple[int, int, int], defect: str | None) -> Image.Image:
    """A plate, enlarged, 4000 x 3000, with noise."""
    drawn = Image.fromarray(make_part(key, DRAWN, defect)[0]).resize((WIDTH, WIDTH), Image.Resampling.BICUBIC)
    top = (WIDTH - HEIGHT) // 2
    pixels = np.asarray(drawn.crop((0, top, WIDTH, top + HEIGHT)), dtype=np.float32)
    noise = np.random.default_rng(key).normal(0, 3, pixels.shape[:2]).astype(np.float32)
    return Image.fromarray(np.clip(pixels + noise[..., None], 0, 255).astype(np.uint8))


def corrupt(path: Path, number: int) -> None:
    """Damage a file: cut short, emptied, or replaced by text."""
    content = path.read_bytes()
    path.write_bytes((content[: len(content) // 3], b"", b"<html>not found</html>")[number % 3])


def make(folder: Path, n_per_defect: int, seed: int) -> None:
    def save(job: tuple[int, str | None, int]) -> None:
        group, defect, number = job
        path = folder / (defect or "good") / NAMES[number % len(NAMES)].format(number)
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            photograph((seed, group, number), defect).save(path, quality=90)
            if defect is None and number % (N_GOOD // N_CORRUPT) == 7:
                corrupt(path, number)

    jobs: list[tuple[int, str | None, int]] = [(0, None, number) for number in range(N_GOOD)]
    jobs += [(1 + group, defect, n) for group, defect in enumerate(DEFECTS) for n in range(n_per_defect)]
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(save, jobs))


def run(*words: str) -> tuple[dict[str, Any], dict[str, float]]:
    """What a verb prints as JSON, and what it costs."""
    start = time.monotonic()
    with subprocess.Popen([sys.executable, "-m", "algan_ad.cli", *words, "--json"], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        printed = process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"algan {shlex.join(words)}: exit status {process.returncode}")
    seconds = time.monotonic() - start
    return json.loads(printed), {
        "seconds": round(seconds), "processor_seconds": round(usage.ru_utime + usage.ru_stime),
        "peak_mb": round(usage.ru_maxrss / 1024),
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--into", type=Path, required=True)
    parser.add_argument("--options", default="", help="of algan train")
    parser.add_argument("--n-per-defect", type=int, default=8)
    parser.add_argument("--seed", type=int, default=200)
    o = parser.parse_args()
    photographs, model = o.into / "photographs of plates", o.into / "model"
    make(photographs, o.n_per_defect, o.seed)
    words = shlex.split(o.options)
    trained, training = run("train", str(photographs), "--out", str(model), "--overwrite", *words)
    evaluation, evaluating = run("evaluate", str(model), str(photographs))
    _, predicting = run("predict", str(model), str(photographs / "hole"), "--maps", str(o.into / "maps"), "--overwrite")
    figures = ("image_auroc", "detection_rate", "realised_false_alarm_rate", "n_normal", "n_anomalous")
    print(json.dumps({
        "options": o.options, "skipped": len(trained["skipped"]), "train": training, "evaluate": evaluating,
        "predict": predicting, **{name: evaluation.get(name) for name in figures},
    }))  # fmt: skip


if __name__ == "__main__":
    main()
