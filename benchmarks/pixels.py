"""ALGAN from pixels at patch level, without a pre-trained network: two ways to it.

    python benchmarks/pixels.py wavelets --data ../shared/data/mtd --seeds 0 1 2 --out results/pixels.jsonl
    python benchmarks/pixels.py crops --data ../shared/data/mtd --made-up --out results/pixels.jsonl

`wavelets` is the method `algan-wavelet`. `crops` is the discriminator of the thesis cut to a receptive field of 22 or
46 pixels (`--depth` 2 or 3 layers of stride 2), trained on crops of that size by Algorithm 1, and scored fully
convolutionally; beside G's kinds, noisy crops are pseudo-anomalies (`--noise` is their weight). Its logits are also
standardised at each position by those of 200 training images. Protocol normal-only. `--made-up` judges by made-up
defects on held-out good images instead of the test set, so that choices do not use the test. Each result is a line of
JSON.
"""

import argparse
import json
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate, pad

from algan_ad.algan import ALGAN, Hyperparameters, Latents
from algan_ad.algan.networks import SLOPE, ImageGenerator, dcgan_init, normalise_spectrum
from algan_ad.detectors.algan_wavelet import AlganWavelet
from algan_ad.detectors.shared.contract import RunOptions, TrainingData
from algan_ad.detectors.shared.pixels import to_range
from algan_patch import SIDE, Division, judge, read

BATCH, EPOCH = 64, 10  # crops in a batch, batches between two draws of the latents
SPEED = 4  # times the learning rates of the thesis, because there are few steps
REFERENCES = 200  # training images that standardise the logits at each position
STRIDE = 8


class CropDiscriminator(nn.Module):
    """Crop (B, 3, r, r) in [-1, 1] -> logit (B,): the thesis's layers, unpadded; `logits` takes images of any size."""

    def __init__(self, depth: int, width: int) -> None:
        super().__init__()
        widths, layers = [5, *(width << i for i in range(depth))], []
        for c_in, c_out in pairwise(widths):
            layers += [nn.Conv2d(c_in, c_out, 4, 2), nn.LeakyReLU(SLOPE)]
        self.layers = nn.Sequential(*layers, nn.Conv2d(widths[-1], 1, 4))
        self.field = 6 * 2**depth - 2  # receptive field: 22 for two layers, 46 for three
        self.apply(dcgan_init)
        normalise_spectrum(self)

    def logits(self, x: Tensor) -> Tensor:
        joined = torch.cat([x, x.amax(1, keepdim=True), x.mean(1, keepdim=True)], 1)  # 5.2.5
        return self.layers(joined)[:, 0]  # type: ignore[no-any-return]

    def forward(self, x: Tensor) -> Tensor:
        return self.logits(x).flatten()


class CropGenerator(nn.Module):
    """z (B, 100) -> the middle of the image that the thesis's generator makes, (B, 3, r, r)."""

    def __init__(self, field: int, width: int) -> None:
        super().__init__()
        side = 32 if field <= 32 else 64
        self.whole, self.field, self.margin = ImageGenerator(side, 100, width, 256), field, (side - field) // 2

    def forward(self, z: Tensor) -> Tensor:
        middle = slice(self.margin, self.margin + self.field)
        return self.whole(z)[:, :, middle, middle]  # type: ignore[no-any-return]


class Disturbance:
    """Crops (B, 3, r, r) with a soft spot of noise or of another brightness, of random size and strength."""

    def __init__(self, spread: float) -> None:
        self.spread = spread

    def __call__(self, x: Tensor) -> Tensor:
        n, side = len(x), x.shape[2]
        coarse = 2 ** int(torch.randint(4, ()))
        noise = interpolate(torch.randn(n, 1, -(-side // coarse), -(-side // coarse)), (side, side), mode="bilinear")
        change = torch.where(torch.rand(n, 1, 1, 1) < 0.5, noise, torch.randn(n, 1, 1, 1))
        centre, radius = torch.rand(2, n, 1, 1) * side, side * (0.05 + 0.5 * torch.rand(n, 1, 1))
        v, u = torch.meshgrid(torch.arange(side), torch.arange(side), indexing="ij")
        spot = torch.exp(-((v - centre[0]).square() + (u - centre[1]).square()) / (2 * radius**2))[:, None]
        return (x + 4 * self.spread * torch.rand(n, 1, 1, 1) * spot * change).clamp(-1, 1)


def crops(options: argparse.Namespace, d: Division, seed: int) -> Iterator[dict[str, Any]]:
    torch.manual_seed(seed)
    D = CropDiscriminator(options.depth, options.width)
    train = torch.from_numpy(d.train)

    def draw(n: int) -> Tensor:
        images, (top, left) = torch.randint(len(train), (n,)), torch.randint(SIDE - D.field + 1, (2, n))
        places = zip(images.tolist(), top.tolist(), left.tolist(), strict=True)
        return to_range(torch.stack([train[i, a : a + D.field, b : b + D.field] for i, a, b in places]))

    def logits(images: Tensor) -> Tensor:
        """At steps of eight pixels, the images mirrored at their border, so that there are as many as of wavelets."""
        margins = ((D.field - STRIDE) // 2,) * 4
        step = STRIDE // 2**options.depth
        D.eval()
        with torch.no_grad():
            parts = [D.logits(pad(to_range(part), margins, "reflect"))[:, ::step, ::step] for part in images.split(8)]
        D.train()
        return torch.cat(parts)

    hyper = Hyperparameters(lr_g=SPEED * 2e-4, lr_d=SPEED * 1e-4, noise=options.noise)
    disturb = Disturbance(float(draw(512).std(0).mean())) if options.noise else None
    latents = Latents(100, 4.0, "normal", torch.device("cpu"))
    algan = ALGAN(CropGenerator(D.field, options.width), D, latents, hyper, BATCH, EPOCH, disturb)
    start = time.process_time()
    for epoch in range(1, options.steps // EPOCH + 1):
        algan.begin_epoch(epoch)
        for j in range(EPOCH):
            algan.step(draw(BATCH), j)
        if epoch * EPOCH % options.every == 0:
            row = {"steps": epoch * EPOCH, "fit_s": time.process_time() - start}
            found, usual = -logits(torch.from_numpy(d.images)), -logits(train[:REFERENCES])
            yield {**row, "places": False, **judge(d, found)}
            yield {**row, "places": True, **judge(d, (found - usual.mean(0)) / usual.std(0))}
            start += time.process_time() - start - row["fit_s"]


def wavelets(options: argparse.Namespace, d: Division, seed: int) -> Iterator[dict[str, Any]]:
    detector = AlganWavelet(AlganWavelet.Config(**options.set), "cpu")
    start = time.process_time()
    detector.fit(TrainingData(d.train), RunOptions(seed, "cpu"))
    fitted, module = time.process_time(), detector.module
    assert module is not None
    with torch.no_grad():
        found = torch.cat([module.positions(part) for part in torch.from_numpy(d.images).split(8)])
    score_ms = 1000 * (time.process_time() - fitted) / len(d.images)
    size = sum(tensor.numel() for tensor in module.state_dict().values())
    yield {"settings": options.set, "fit_s": fitted - start, "score_ms": score_ms, "size": size, **judge(d, found)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("way", choices=["wavelets", "crops"])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--made-up", action="store_true")
    parser.add_argument(
        "--by-tile", action="store_true", help="all photographs of a tile of MTD on one side of the split"
    )
    parser.add_argument("--set", type=json.loads, default={}, help="settings of algan-wavelet, as JSON")
    parser.add_argument("--depth", type=int, default=3)
    parser.add_argument("--width", type=int, default=16)
    parser.add_argument("--noise", type=float, default=1.0)
    parser.add_argument("--steps", type=int, default=600)
    parser.add_argument("--every", type=int, default=300, help="steps of `crops` between two looks")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    options.out.parent.mkdir(parents=True, exist_ok=True)
    for seed in options.seeds:
        start = time.monotonic()
        d = read(options.data, seed, None, options.made_up, options.by_tile)
        common = {"way": options.way, "data": options.data.name, "seed": seed, "made_up": options.made_up}
        common["by_tile"] = options.by_tile
        if options.way == "crops":
            common |= {name: getattr(options, name) for name in ("depth", "width", "noise")}
        for result in {"wavelets": wavelets, "crops": crops}[options.way](options, d, seed):
            row = {**common, "wall_s": time.monotonic() - start, **result}
            with options.out.open("a") as file:
                file.write(json.dumps(row) + "\n")
            print({k: round(v, 4) if isinstance(v, float) else v for k, v in row.items()}, flush=True)


if __name__ == "__main__":
    main()
