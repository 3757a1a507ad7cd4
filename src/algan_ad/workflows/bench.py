"""The speed of a model on this machine: each stage, throughput, start, memory, and the share of the machine's limit.

Needs no torch where the model does not. Times are elapsed time, in milliseconds an image; run it on an idle machine.
"""

import json
import math
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from PIL import Image

from algan_ad.runtime.errors import AlganError, InputError, Option
from algan_ad.runtime.images import open_image
from algan_ad.runtime.predictor import Predictor, Rows
from algan_ad.runtime.progress import is_quiet, set_quiet
from algan_ad.runtime.sources import pictures
from algan_ad.workflows.limit import MatrixProduct, count_flops
from algan_ad.workflows.load import Runtime, load_model

BATCHES = (1, 4, 16, 64)
WARM = 3  # rounds that are not counted
STARTS = 3
PHOTOGRAPH = (1000, 1000)  # made up where no images are given
DISTINCT = 16  # images in memory
RESAMPLES = 2000

Call = Callable[[], Any]


@dataclass(frozen=True)
class Spread:
    """Percentiles of repeated measurements, ms an image."""

    p50: float
    p95: float
    p99: float


@dataclass(frozen=True)
class Ratio:
    """Median of the ratios within the rounds, and its 95 % interval over resampled rounds."""

    ratio: float
    low: float
    high: float


@dataclass(frozen=True)
class Bench:
    """Everything that is measured of a model.

    stages: of one image at a time, and `all` of them together.
    throughput: images a second, by threads and by batch, without reading.
    start_seconds, start_processor_seconds, peak_mb: of a process from its start to its first score.
    flops: floating point operations of one image, counted by torch in convolutions and matrix products; None if torch
        is not installed or counts none.
    limit_gflops: of a product of numpy matrices in the same rounds, float32, by as many threads.
    share_of_limit: by batch, with one thread; None without `flops`.
    """

    model: str
    method: str
    scorer: str
    images: str
    stages: dict[str, Spread]
    throughput: dict[int, dict[int, float]]
    start_seconds: float
    start_processor_seconds: float
    peak_mb: float | None
    flops: int | None
    limit_gflops: float
    share_of_limit: dict[int, float] | None
    machine: str

    def to_dict(self) -> dict[str, Any]:
        """The same, JSON-able."""
        return asdict(self)


def bench(
    folder: Path, images: Sequence[Path] = (), rounds: int = 50, device: Any = "auto", runtime: Runtime = "auto",
    threads: int | None = None,
) -> Bench:  # fmt: skip
    """Measure a model, on these images or on a made-up photograph, `rounds` times each.

    Raises InputError as `load_model` does, for images that cannot be read, and for fewer than 2 rounds.
    """
    if rounds < 2:
        raise InputError(Option("rounds", rounds), ": expected 2 or more")
    counts = [threads] if threads else sorted({1, os.cpu_count() or 1})
    with TemporaryDirectory() as temporary, _in_silence():
        model = load_model(folder, device, runtime, threads)
        files = _files(model, images, Path(temporary))
        samples = _samples(model, files)
        stages = _stages(model, files, samples, rounds)
        seconds, processor, peak = _start(folder, (device, runtime, threads), files)
        throughput = {n: _throughput(load_model(folder, device, runtime, n), samples, rounds // 4) for n in counts}
        flops = count_flops(folder, _batch(samples, 1))
        limit, shares = _shares(load_model(folder, device, runtime, counts[0]), samples, rounds // 4, counts[0], flops)
    shown = "made-up numbers" if not files else f"{len(files)} given" if images else "a made-up photograph"
    machine = f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores"
    return Bench(
        str(folder), model.config.method, _runtime(model), shown, stages, throughput, seconds, processor,
        peak, flops, limit, shares, machine,
    )  # fmt: skip


def compare(
    folder: Path, other: Path, images: Sequence[Path] = (), rounds: int = 50, device: Any = "auto",
    runtime: Runtime = "auto", threads: int | None = None,
) -> dict[str, Ratio]:  # fmt: skip
    """Time of `other` divided by that of the model, taken in turn: how many times faster the model is.

    `infer 1`, `infer 16`: scoring of prepared images, by batch; `all 1`: from a file to a decision.
    """
    with TemporaryDirectory() as temporary, _in_silence():
        models = [load_model(each, device, runtime, threads) for each in (folder, other)]
        if models[0].config.input != models[1].config.input:
            raise InputError(f"{other}: takes {models[1].config.input}s, and {folder} {models[0].config.input}s")
        files = _files(models[0], images, Path(temporary))
        samples = [_samples(model, files) for model in models]
        pairs = list(zip(models, samples, strict=True))
        calls = {f"infer {n}": [_infer(model, _batch(each, n)) for model, each in pairs] for n in (1, 16)}
        if files:
            calls["all 1"] = [_whole(model, files) for model in models]
        return {name: _ratio(mine, others, rounds) for name, (mine, others) in calls.items()}


def _runtime(model: Predictor) -> str:
    return getattr(model.scorer, "runtime", "torch")  # a detector has none


def _files(model: Predictor, images: Sequence[Path], temporary: Path) -> list[Path]:
    """Image files in any case where the model takes images."""
    if model.config.input == "vector":
        if images:
            raise InputError("this model scores vectors, which are made up here; leave the images out")
        return []
    if images:
        return [each.file for each in pictures(images)][:DISTINCT]
    (temporary / "photograph.jpg").write_bytes(photograph(*PHOTOGRAPH))
    return [temporary / "photograph.jpg"]


def photograph(width: int, height: int, seed: int = 0) -> bytes:
    """A JPEG file of smooth shades with the noise of a sensor, quality 90."""
    rng = np.random.default_rng(seed)
    few = Image.fromarray(rng.integers(60, 200, (12, 16, 3), np.uint8))
    shades = np.asarray(few.resize((width, height), Image.Resampling.BICUBIC), np.float32)
    pixels = (shades + rng.normal(0, 6, (height, width, 1)).astype(np.float32)).clip(0, 255).astype(np.uint8)
    file = BytesIO()
    Image.fromarray(pixels).save(file, "jpeg", quality=90)
    return file.getvalue()


def _samples(model: Predictor, files: Sequence[Path]) -> Rows:
    if files:
        return model.samples(list(files))
    n = int(str(model.config.fingerprint["n_features"]))
    return np.random.default_rng(0).normal(size=(DISTINCT, n)).astype(np.float32)


def _batch(samples: Rows, n: int) -> Rows:
    """n samples, repeated where there are fewer."""
    return np.asarray(samples[np.arange(n) % len(samples)])


def _infer(model: Predictor, batch: Rows) -> Call:
    return lambda: model.whole.score(batch)


def _whole(model: Predictor, files: Sequence[Path]) -> Call:
    """One file after the other, from the disk to a decision."""
    endless = _cycled(files)
    return lambda: model.predict(next(endless))


def _cycled(files: Sequence[Path]) -> Iterator[Path]:
    while True:
        yield from files


def _timed(call: Call) -> tuple[float, Any]:
    """Elapsed ms, and what was returned."""
    start = time.perf_counter()
    found = call()
    return 1000 * (time.perf_counter() - start), found


def _stages(model: Predictor, files: Sequence[Path], samples: Rows, rounds: int) -> dict[str, Spread]:
    times: dict[str, list[float]] = {}
    for i in range(WARM + rounds):
        taken = dict(_one(model, files[i % len(files)] if files else None, samples))
        for name, milliseconds in (taken | {"all": sum(taken.values())}).items():
            times.setdefault(name, []).append(milliseconds)
    return {name: Spread(*np.percentile(each[WARM:], (50, 95, 99)).round(4).tolist()) for name, each in times.items()}


def _one(model: Predictor, file: Path | None, samples: Rows) -> Iterator[tuple[str, float]]:
    """The stages of one image, as `prepare` and `predictions` go through them, with their times."""
    batch, preprocessing = _batch(samples, 1), model.config.preprocessing
    if file is not None and preprocessing is not None:
        milliseconds, data = _timed(file.read_bytes)
        yield "read", milliseconds
        milliseconds, (image, size) = _timed(lambda: open_image(data, preprocessing, str(file)))
        yield "decode", milliseconds
        milliseconds, pixels = _timed(lambda: preprocessing.apply_to(image, size))
        yield "resize", milliseconds
        batch = pixels[None]
    milliseconds, scores = _timed(_infer(model, batch))
    yield "infer", milliseconds
    calibration = model.config.calibration
    if calibration is not None:
        milliseconds, _ = _timed(lambda: (calibration.p_values(scores), calibration.decide(scores)))
        yield "decide", milliseconds


def _throughput(model: Predictor, samples: Rows, rounds: int) -> dict[int, float]:
    """Images a second, by batch."""
    found = {}
    for n in BATCHES:
        call = _infer(model, _batch(samples, n))
        times = [_timed(call)[0] for _ in range(1 + max(2, rounds))]
        found[n] = round(1000 * n / float(np.median(times[1:])), 2)
    return found


_FIRST_SCORE = """
import json, sys, time
import numpy as np
from algan_ad import load_model

folder, how, file = json.loads(sys.argv[1])
model = load_model(folder, *how)
model.predict(file or np.zeros((1, model.config.fingerprint["n_features"]), np.float32))
end, processor, peak = time.time(), time.process_time(), None
if sys.platform == "linux":  # whose ru_maxrss begins with the peak of the process that started this one
    with open("/proc/self/status") as status:
        peak = next(int(line.split()[1]) for line in status if line.startswith("VmHWM")) / 2**10
elif sys.platform == "darwin":
    import resource
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
print(json.dumps([end, processor, peak]))
"""


def _start(folder: Path, how: Sequence[Any], files: Sequence[Path]) -> tuple[float, float, float | None]:
    """Seconds, processor seconds and peak memory, MB, of a process from its start to its first score: medians.

    how: device, runtime and threads.
    """
    arguments = json.dumps([str(folder), how, str(files[0]) if files else None])
    found = []
    for _ in range(STARTS):
        start = time.time()
        command = [sys.executable, "-c", _FIRST_SCORE, arguments]
        done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
        if done.returncode:
            raise AlganError(f"{folder}: a process of its own could not score ({done.stderr.strip()[-500:]})")
        end, processor, peak = json.loads(done.stdout)
        found.append((end - start, processor, peak or math.nan))
    seconds, processor, peak = np.median(found, 0).tolist()
    return round(seconds, 3), round(processor, 3), None if math.isnan(peak) else round(peak, 1)


def _shares(
    model: Predictor, samples: Rows, rounds: int, threads: int, flops: int | None
) -> tuple[float, dict[int, float] | None]:
    """The machine's limit, GFLOP/s, and the share of it that scoring reaches, by batch, both taken in turn."""
    with MatrixProduct(threads) as limit:
        limits: list[float] = [limit.gflops()]
        shares = {}
        for n in (1, 16):
            call, reached = _infer(model, _batch(samples, n)), []
            for _ in range(1 + max(2, rounds)):
                milliseconds, _ = _timed(call)
                limits.append(limit.gflops())
                reached.append((flops or 0) * n / milliseconds / 1e6 / limits[-1])
            shares[n] = round(float(np.median(reached[1:])), 4)
    return round(float(np.median(limits)), 1), shares if flops else None


def _ratio(mine: Call, others: Call, rounds: int) -> Ratio:
    """The other's time by mine, taken in turn, each first in every second round."""
    ratios = []
    for i in range(WARM + rounds):
        order = (mine, others) if i % 2 else (others, mine)
        times = {call: _timed(call)[0] for call in order}
        ratios.append(times[others] / times[mine])
    kept = np.array(ratios[WARM:])
    drawn = np.median(np.random.default_rng(0).choice(kept, (RESAMPLES, len(kept))), axis=1)
    low, high = np.quantile(drawn, (0.025, 0.975))
    return Ratio(*(round(float(each), 3) for each in (np.median(kept), low, high)))


@contextmanager
def _in_silence() -> Iterator[None]:
    """Bars take time of their own."""
    before = is_quiet()
    set_quiet(True)
    try:
        yield
    finally:
        set_quiet(before)
