"""Many damaged images and model folders, which must cause no traceback, no hang and no score of a damaged picture.

    python benchmarks/hostile.py --images 5000 --models 2000 --seed 0

Images of seven formats are cut, flipped, overwritten and given false headers, and go through `algan predict`, a folder
at a time. A picture that was cut counts as whole only if its pixels are still the same. One file of each model folder
is damaged, and the folder is loaded: it is refused in words, or scores as before. Inputs are compared by SHA-256
afterwards.
"""

import argparse
import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from algan_ad import AlganError, load_model, train
from algan_ad.data.demo_part import make_part
from algan_ad.runtime.images import decode

FORMATS = {"png": {}, "jpg": {"quality": 90}, "gif": {}, "tif": {"compression": "tiff_lzw"}, "webp": {"lossless": True},
           "bmp": {}, "ppm": {}}  # fmt: skip
PER_CALL = 500  # images of one `algan predict`
SECONDS = 120  # a call or a model folder that takes longer counts as a hang


def pictures() -> dict[str, bytes]:
    """A whole picture of each format."""
    pixels = make_part((0, 0, 0), 64)[0]
    found = {}
    for suffix, options in FORMATS.items():
        buffer = BytesIO()
        Image.fromarray(pixels).save(buffer, {"jpg": "jpeg", "tif": "tiff"}.get(suffix, suffix), **options)
        found[suffix] = buffer.getvalue()
    return found


def cut(content: bytes, rng: random.Random) -> bytes:
    return content[: rng.randrange(len(content))]


def flip(content: bytes, rng: random.Random) -> bytes:
    damaged = bytearray(content)
    for _ in range(rng.choice((1, 2, 8, 64))):
        damaged[rng.randrange(len(damaged))] ^= 1 << rng.randrange(8)
    return bytes(damaged)


def overwrite(content: bytes, rng: random.Random) -> bytes:
    start = rng.randrange(len(content))
    length = rng.randrange(1, 200)
    filling = rng.choice((b"\0" * length, b"\xff" * length, rng.randbytes(length)))
    return content[:start] + filling + content[start + length :]


def header(content: bytes, rng: random.Random) -> bytes:
    """Put false numbers into the first bytes, which hold the sizes."""
    start = rng.randrange(4, 40)
    return content[:start] + rng.choice((b"\x7f\xff\xff\xff", b"\0\0\0\0", b"\0\1\0\0")) + content[start + 4 :]


def repeat(content: bytes, rng: random.Random) -> bytes:
    a, b = sorted(rng.randrange(len(content)) for _ in range(2))
    return content[:b] + content[a:b] + content[b:]


DAMAGE: dict[str, Callable[[bytes, random.Random], bytes]] = {
    "cut": cut, "flip": flip, "overwrite": overwrite, "header": header, "repeat": repeat,
}  # fmt: skip


def images(model: Path, folder: Path, n: int, seed: int) -> dict[str, Any]:
    rng, whole, counts = random.Random(seed), pictures(), Counter()
    originals = {suffix: decode(content) for suffix, content in whole.items()}
    for first in range(0, n, PER_CALL):
        place = folder / f"images-{first}"
        place.mkdir()
        for i in range(first, min(first + PER_CALL, n)):
            suffix, kind = rng.choice(list(whole)), rng.choice(list(DAMAGE))
            (place / f"{kind}-{i}.{suffix}").write_bytes(DAMAGE[kind](whole[suffix], rng))
        (place / "whole.png").write_bytes(whole["png"])  # so that there is something to score
        before = hashes(place)
        done = subprocess.run(
            [sys.executable, "-m", "algan_ad.cli", "predict", str(model), str(place), "--json"],
            capture_output=True, text=True, timeout=SECONDS, check=False,
        )  # fmt: skip
        if done.returncode != 0 or "Traceback" in done.stderr:
            raise SystemExit(f"{place}: exit {done.returncode}\n{done.stderr[-2000:]}")
        if hashes(place) != before:
            raise SystemExit(f"{place}: an input was changed")
        found = json.loads(done.stdout)
        scored = [Path(each["source"]) for each in found["predictions"]]
        if len(scored) + len(found["skipped"]) != len(before):
            raise SystemExit(f"{place}: {len(before)} files, {len(scored)} scored, {len(found['skipped'])} listed")
        for path in scored:
            kind = path.name.split("-")[0]
            counts[f"{kind}, scored"] += 1
            if kind == "cut" and not np.array_equal(decode(path), originals[path.suffix[1:]]):
                raise SystemExit(f"{path}: cut short, and scored")
        counts.update(f"{Path(each['path']).name.split('-')[0]}, listed" for each in found["skipped"])
        shutil.rmtree(place)
    return dict(sorted(counts.items()))


def hashes(folder: Path) -> dict[str, str]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def spoil(folder: Path, rng: random.Random) -> str:
    """Damage one file of a model in one way. Returns that way."""
    path = rng.choice(sorted(path for path in folder.iterdir() if path.is_file()))
    kind = rng.choice(("flip", "cut", "overwrite", "missing", "empty", "folder", "pipe", "broken link", "value"))
    content = path.read_bytes()
    if kind == "value":
        path, content = folder / "config.json", (folder / "config.json").read_bytes()
        values = json.loads(content)
        name = rng.choice(sorted(values))
        values[name] = rng.choice((None, -1, "x", [], {}, 1e300, True))
        path.write_text(json.dumps(values))
    elif kind in DAMAGE:
        path.write_bytes(DAMAGE[kind](content, rng))
    else:
        path.unlink()
        if kind == "empty":
            path.touch()
        elif kind == "folder":
            path.mkdir()
        elif kind == "pipe":
            os.mkfifo(path)
        elif kind == "broken link":
            path.symlink_to("nowhere")
    return f"{kind} {'config' if path.name == 'config.json' else 'another file'}"


def models(model: Path, folder: Path, n: int, seed: int) -> dict[str, Any]:
    rng, counts = random.Random(seed), Counter()
    image = make_part((0, 0, 1), 64)[0]
    expected = load_model(model, "cpu").predict(image)
    signal.signal(signal.SIGALRM, lambda *_: (_ for _ in ()).throw(TimeoutError("hangs")))
    for i in range(n):
        copy = folder / f"model-{i}"
        shutil.copytree(model, copy)
        kind = spoil(copy, rng)
        signal.alarm(SECONDS)
        try:
            found = load_model(copy, "cpu").predict(image)
        except AlganError:
            counts[f"{kind}, refused"] += 1
        else:
            if found != expected:
                raise SystemExit(f"{copy}: {kind}: accepted, and it decides otherwise")
            counts[f"{kind}, as before"] += 1
        signal.alarm(0)
        shutil.rmtree(copy)
    return dict(sorted(counts.items()))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=5000)
    parser.add_argument("--models", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        good = np.stack([make_part((0, 1, i), 64)[0] for i in range(40)])
        settings = {"image_size": 32, "width": 4, "epochs": 1, "batch_size": 8}
        train(good, out=folder / "model", method="algan-image", config=settings, false_alarm_rate=0.2)
        found = {
            "images": images(folder / "model", folder, options.images, options.seed),
            "models": models(folder / "model", folder, options.models, options.seed),
        }
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
