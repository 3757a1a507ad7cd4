"""Reading, from files to what a scorer takes and to scores: as it was, as it is, and with JPEG's own down-scaling.

    python benchmarks/reading.py
    python benchmarks/reading.py --model models/parts --sides 64 256

Makes JPEG photographs (noise over smooth shades, quality 90) of 1000 x 1000 and 4000 x 3000 pixels. In each round every
way reads the same file once, so that whatever else the machine does falls on all alike; times are processor time of
the calling thread. `before`: decoded to an array, made an image again and resized in three channels, as it was until
this way was shortened. With `--model`, also from files to scores at the model's side: by `predict_files`, with its
threads, against a plain loop (Pillow, the scorer, one by one), in elapsed time and in processor time of all threads,
beside `unpack`, the decoder alone at an eighth of the size, which nothing that reads these files can fall below;
`--sides` without a number leaves the rest out. Prints a line of JSON.
"""

import argparse
import io
import json
import os
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from statistics import median

import numpy as np
from PIL import Image, ImageOps

from algan_ad import load_model, predict_files
from algan_ad.runtime.images import Preprocessing, decode, load
from algan_ad.workflows.bench import photograph

SIZES = ((1000, 1000), (4000, 3000))
WARM = 3  # rounds that are not counted


def in_grey(data: bytes) -> bytes:
    file = io.BytesIO()
    Image.open(io.BytesIO(data)).convert("L").save(file, "jpeg", quality=90)
    return file.getvalue()


def before(data: bytes, preprocessing: Preprocessing) -> object:
    """The way with an array in the middle. `decode` copied an upright picture once more, too."""
    with Image.open(io.BytesIO(data)) as image:
        image.load()
        pixels = np.array(ImageOps.exif_transpose(image).convert("RGB"))
    return preprocessing.apply(pixels)


def cost(way: Callable[[], object]) -> float:
    """Processor time of one call, ms."""
    start = time.thread_time()
    way()
    return 1000 * (time.thread_time() - start)


def compare(ways: dict[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """Medians of each way, ms, and the median of the ratio of the first to each other, within a round."""
    times = {name: [] for name in ways}  # type: dict[str, list[float]]
    for _ in range(WARM + rounds):
        for name, way in ways.items():
            times[name].append(cost(way))
    first, *others = ways
    found = {f"{name}_ms": round(median(each[WARM:]), 2) for name, each in times.items()}
    for name in others:
        ratios = [a / b for a, b in zip(times[first][WARM:], times[name][WARM:], strict=True)]
        found[f"{first}/{name}"] = round(median(ratios), 2)
    return found


def plain_loop(model: object, paths: list[Path], side: int) -> None:
    for path in paths:
        with Image.open(path) as image:
            small = image.convert("RGB").resize((side, side), Image.BILINEAR)
        model.score(np.asarray(small)[None])  # type: ignore[attr-defined]


def unpack(paths: list[Path]) -> None:
    """What every way has to do at least: a JPEG decoder at an eighth of the size takes one coefficient of 64."""
    for path in paths:
        with Image.open(path) as image:
            image.draft(None, (image.width // 8, image.height // 8))
            image.load()


def to_scores(folder: Path, runtime: str, rounds: int, files: int) -> dict[str, object]:
    """Elapsed ms an image from 1000 x 1000 files to scores, and the ratio to the plain loop."""
    model = load_model(folder, runtime=runtime, threads=1)  # type: ignore[arg-type]
    preprocessing = model.config.preprocessing
    assert preprocessing is not None
    draft = replace(model, config=model.config.model_copy(
        update={"preprocessing": preprocessing.model_copy(update={"draft": True})}))  # fmt: skip
    with tempfile.TemporaryDirectory() as name:
        paths = []
        for i in range(files):
            paths.append(Path(name) / f"{i}.jpg")
            paths[-1].write_bytes(photograph(1000, 1000, seed=i))
        ways: dict[str, Callable[[], object]] = {
            "plain": lambda: plain_loop(model, paths, preprocessing.size),
            "predict_files": lambda: list(predict_files(model, [name])),
            "draft": lambda: list(predict_files(draft, [name])),
            "unpack": lambda: unpack(paths),
        }
        clocks = {"elapsed": time.perf_counter, "processor": time.process_time}
        times: dict[tuple[str, str], list[float]] = {(way, clock): [] for way in ways for clock in clocks}
        for _ in range(1 + rounds):
            for way, call in ways.items():
                start = {clock: read() for clock, read in clocks.items()}
                call()
                for clock, read in clocks.items():
                    times[way, clock].append(1000 * (read() - start[clock]) / files)
    found: dict[str, object] = {"side": preprocessing.size, "method": model.config.method, "runtime": runtime}
    for (way, clock), measured in times.items():
        ratios = sorted(a / b for a, b in zip(times["plain", clock][1:], measured[1:], strict=True))
        found[f"{way}_{clock}_ms"] = round(median(measured[1:]), 2)
        found[f"plain/{way}_{clock}"] = [round(ratios[0], 2), round(median(ratios), 2), round(ratios[-1], 2)]
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sides", type=int, nargs="*", default=[64, 256])
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--model", type=Path, nargs="*", default=[])
    parser.add_argument("--runtime", choices=["auto", "torch", "onnx"], default="auto")
    parser.add_argument("--files", type=int, default=64)
    o = parser.parse_args()
    rows = []
    for (width, height), grey in ((size, grey) for size in SIZES for grey in (False, True)):
        data = photograph(width, height)
        if grey:
            data = in_grey(data)
        for side in o.sides:
            plain, draft = Preprocessing(size=side), Preprocessing(size=side, draft=True)
            np.testing.assert_array_equal(before(data, plain), load(data, plain))
            ways: dict[str, Callable[[], object]] = {
                "before": lambda data=data, plain=plain: before(data, plain),  # type: ignore[misc]
                "now": lambda data=data, plain=plain: load(data, plain),  # type: ignore[misc]
                "draft": lambda data=data, draft=draft: load(data, draft),  # type: ignore[misc]
                "decode_alone": lambda data=data: decode(data),  # type: ignore[misc]
            }
            rows.append({"picture": f"{width} x {height} {'grey' if grey else 'colour'}", "side": side,
                         **compare(ways, o.rounds)})  # fmt: skip
    scores = [to_scores(folder, o.runtime, 5, o.files) for folder in o.model]
    print(json.dumps({"rows": rows, "to_scores": scores, "cores": os.cpu_count()}))


if __name__ == "__main__":
    main()
