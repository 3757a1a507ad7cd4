"""ALGAN-patch beside the methods that it is to replace, on the same features, standardisation and smoothing.

    python benchmarks/algan_patch.py --data ../shared/data/mtd --seeds 0 1 2 --out results/algan-patch.jsonl

Protocol normal-only. Each image passes once through EfficientNet-Lite0, of which the stages of strides 8 and 16 are
taken. The rivals are PatchCore-1 and -10 (the nearest of a coreset of 1 or 10 % of the patches, joined on the finest
grid, as in their paper) and PaDiM, with every channel standardised. All scores are the maximum of the map averaged over
3 x 3 positions, and all maps are smoothed alike. `--ablate` leaves out kinds of pseudo-anomaly in turn. `--made-up`
judges by made-up defects on held-out good images instead of the test set, so that choices do not use the test.
`--by-tile` keeps the photographs of a tile together: MTD shows each tile under up to six lights. Each method writes one
line of JSON.
"""

import argparse
import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d

from algan_ad.data.layouts import Dataset, open_dataset
from algan_ad.data.made_up import KINDS, make_up
from algan_ad.data.splits import split
from algan_ad.detectors import algan_patch
from algan_ad.detectors.algan_patch import AlganPatch
from algan_ad.detectors.padim import EPSILON
from algan_ad.detectors.shared.contract import RunOptions, TrainingData
from algan_ad.evaluation.metrics import aupro, image_auroc, pixel_auroc
from algan_ad.features.backbones import PyramidBackbone
from algan_ad.features.coreset import greedy_coreset
from algan_ad.features.gaussians import Gaussians
from algan_ad.features.maps import anomaly_map, concatenated
from algan_ad.features.neighbours import nearest
from algan_ad.features.patches import levels
from algan_ad.runtime.images import Preprocessing, load_many
from algan_ad.workflows.masks import read_mask

CPU, SIDE = torch.device("cpu"), 224
APART = 100  # between the numbers of two tiles of MTD; those of one tile are nearer
KINDS_OF_ALGAN: dict[str, Any] = {"noise": 1.0, "anomalous_latents": True, "buffered": True}
ABLATION: dict[str, dict[str, Any]] = {
    "all kinds": KINDS_OF_ALGAN,
    "untrained": {"lr_d": 1e-12},
    "without noise": KINDS_OF_ALGAN | {"noise": 0.0},
    "without fake-anomalous": KINDS_OF_ALGAN | {"anomalous_latents": False},
    "without buffered": KINDS_OF_ALGAN | {"buffered": False},
    "fake-normal alone": {"anomalous_latents": False, "buffered": False, "noise": 0.0},
    "steps x 10": KINDS_OF_ALGAN | {"epochs": 80},
    "steps x 10, without noise": KINDS_OF_ALGAN | {"epochs": 80, "noise": 0.0},
}


class Remembering(nn.Module):
    """A backbone that passes every image once: the bytes of an image are its key."""

    def __init__(self, backbone: PyramidBackbone) -> None:
        super().__init__()
        self.backbone, self.known = backbone, {}
        self.register_buffer("nothing", torch.empty(0), persistent=False)

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        keys = [hash(image.numpy().tobytes()) for image in images]
        new = [i for i, key in enumerate(keys) if key not in self.known]
        if new:
            with torch.no_grad():
                for i, *maps in zip(new, *self.backbone(images[new]), strict=True):
                    self.known[keys[i]] = maps
        return tuple(torch.stack(maps) for maps in zip(*(self.known[key] for key in keys), strict=True))


Maps = Callable[[Tensor], Tensor]  # joined patches (N, H, W, d) -> distances (N, H, W)


def patchcore(share: float, seed: int) -> Callable[[Tensor], Maps]:
    def fit(train: Tensor) -> Maps:
        rows = train.flatten(0, 2)
        bank = rows[greedy_coreset(rows, round(share * len(rows)), torch.Generator().manual_seed(seed), CPU)]
        return lambda x: nearest(x.flatten(0, 2), bank, 1)[0].reshape(x.shape[:3])

    return fit


def padim(seed: int) -> Callable[[Tensor], Maps]:
    def fit(train: Tensor) -> Maps:
        kept = torch.randperm(train.shape[3], generator=torch.Generator().manual_seed(seed))[:100]
        gaussians = Gaussians()
        for part in train.split(32):
            gaussians.add(part[..., kept].flatten(1, 2).transpose(0, 1))
        mean, factor = gaussians.mean, gaussians.inverse_factor(EPSILON)

        def distances(x: Tensor) -> Tensor:
            rows = x[..., kept].flatten(1, 2).transpose(0, 1) - mean[:, None]
            return torch.bmm(rows, factor.transpose(1, 2)).norm(dim=2).T.reshape(x.shape[:3])

        return distances

    return fit


@dataclass(frozen=True)
class Division:
    """Training images, test images, their labels, kinds and masks."""

    train: Any
    images: Any
    labels: Any
    kinds: Any
    masks: Any


def read(path: Path, seed: int, n_train: int | None, made_up: bool, by_tile: bool) -> Division:
    dataset, preprocessing = open_dataset(path), Preprocessing(size=SIDE)
    parts = split(tiles_as_groups(dataset) if by_tile else dataset, "normal-only", seed)
    train = load_many([item.path for item in parts.train], preprocessing).images
    if n_train:
        train = train[np.random.default_rng(seed).permutation(len(train))[:n_train]]
    if made_up:
        good = load_many([item.path for item in parts.calibration], preprocessing).images
        bad, masks = zip(*(make_up(good, kind, seed) for kind in KINDS), strict=True)
        images, masks = np.concatenate([good, *bad]), np.concatenate([np.zeros(good.shape[:3], bool), *masks])
        kinds = np.repeat(["good", *KINDS], len(good))
        return Division(train, images, (kinds != "good").astype(int), kinds, masks)
    loaded = load_many([item.path for item in parts.test], preprocessing)
    test = [parts.test[i] for i in loaded.kept]
    truths = [read_mask(item, preprocessing) for item in test]
    masks = np.stack([np.zeros((SIDE, SIDE), bool) if truth is None else truth.marked for truth in truths])
    labels, kinds = np.array([item.label for item in test]), np.array([item.defect for item in test])
    return Division(train, loaded.images, labels, kinds, masks)


def tiles_as_groups(dataset: Dataset) -> Dataset:
    """MTD with the photographs of one tile as a group: a number more than APART above the one before begins a tile."""
    number = {item.path: int(item.path.stem.rsplit("_", 1)[1]) for item in dataset.items}
    group: dict[Path, str] = {}
    last, tile = 0, 0
    for path in sorted(number, key=number.__getitem__):
        tile += number[path] - last > APART
        group[path], last = f"tile {tile}", number[path]
    parts = ([replace(item, group=group[item.path]) for item in items] for items in (dataset.train, dataset.test))
    train, test = map(tuple, parts)
    return replace(dataset, train=train, test=test)


def judge(d: Division, found: Tensor) -> dict[str, Any]:
    """Figures of distances, or of minus the logits of D, at all positions (N, H, W)."""
    scores = avg_pool2d(found[:, None], 3, 1, padding=1, count_include_pad=False).amax((1, 2, 3)).double().numpy()
    heats = list(anomaly_map(found, (SIDE, SIDE)).numpy())
    row = {"image_auroc": image_auroc(d.labels, scores)}
    if d.masks.any():
        row |= {"pixel_auroc": pixel_auroc(d.masks, heats), "aupro": aupro(d.masks, heats)}
    for kind in sorted(set(d.kinds) - {"good"}):
        some = (d.labels == 0) | (d.kinds == kind)
        row[f"auroc/{kind}"] = image_auroc(d.labels[some], scores[some])
    return row


def ours(options: argparse.Namespace, d: Division, seed: int, change: dict[str, Any]) -> dict[str, Any]:
    detector = AlganPatch(AlganPatch.Config(**{**options.set, **change}), "cpu")
    start = time.process_time()
    detector.fit(TrainingData(d.train), RunOptions(seed, "cpu"))
    fitted, module = time.process_time(), detector.module
    assert module is not None
    with torch.no_grad():
        found = torch.cat([module.positions(part) for part in torch.from_numpy(d.images).split(8)])
    score_ms = 1000 * (time.process_time() - fitted) / len(d.images)
    size = sum(t.numel() for name, t in module.state_dict().items() if not name.startswith("backbone."))
    return {"fit_seed": seed, "fit_s": fitted - start, "score_ms": score_ms, "size": size, **judge(d, found)}


RIVALS: dict[str, Callable[[int], Callable[[Tensor], Maps]]] = {
    "patchcore-1": partial(patchcore, 0.01),
    "patchcore-10": partial(patchcore, 0.1),
    "padim": padim,
}


def rivals(backbone: nn.Module, d: Division, seed: int, names: Sequence[str]) -> Iterator[dict[str, Any]]:
    joined = [join(backbone, part) for part in (d.train, d.images)]
    mean, std = joined[0].mean((0, 1, 2)), joined[0].std((0, 1, 2))
    x, y = (each.sub_(mean).div_(std) for each in joined)
    for name in names:
        start, method = time.process_time(), RIVALS[name](seed)
        distances = method(x)
        fitted = time.process_time()
        found = torch.cat([distances(part) for part in y.split(8)])
        score_ms = 1000 * (time.process_time() - fitted) / len(y)
        yield {"method": name, "fit_s": fitted - start, "score_ms": score_ms, **judge(d, found)}


def join(backbone: nn.Module, images: Any) -> Tensor:
    parts = torch.from_numpy(images).split(32)
    return torch.cat([concatenated(levels(backbone, part), "bilinear").permute(0, 2, 3, 1) for part in parts])


def rows(options: argparse.Namespace) -> Iterator[dict[str, Any]]:
    config = AlganPatch.Config(**options.set)
    backbone = Remembering(PyramidBackbone(config.backbone, config.taken, config.backbone_weights))
    algan_patch.PyramidBackbone = lambda *_: backbone  # type: ignore[misc]
    for seed in options.seeds:
        d = read(options.data, seed, options.n_train, options.made_up, options.by_tile)
        for part in (d.train, d.images):
            for start in range(0, len(part), 16):
                backbone(torch.from_numpy(part[start : start + 16]))
        common = {"data": options.data.name, "seed": seed, "n_train": len(d.train), "made_up": options.made_up}
        common["by_tile"] = options.by_tile
        for name, change in (ABLATION if options.ablate else {"algan-patch": {}}).items():
            for fit_seed in options.fit_seeds or [seed]:
                yield {**common, "method": name, "settings": options.set, **ours(options, d, fit_seed, change)}
        if options.rivals is not None:
            found = rivals(backbone, d, seed, options.rivals or list(RIVALS))
            yield from ({**common, "settings": options.set, **row} for row in found)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument(
        "--fit-seeds", type=int, nargs="+", default=[], help="seeds of several fits to each division of --seeds"
    )
    parser.add_argument("--n-train", type=int)
    parser.add_argument("--rivals", nargs="*", choices=RIVALS, help="compare with these; without a name, with all")
    parser.add_argument("--ablate", action="store_true")
    parser.add_argument("--made-up", action="store_true")
    parser.add_argument(
        "--by-tile", action="store_true", help="all photographs of a tile of MTD on one side of the split"
    )
    parser.add_argument("--set", type=json.loads, default={}, help="settings of algan-patch, as JSON")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    options.out.parent.mkdir(parents=True, exist_ok=True)
    for row in rows(options):
        with options.out.open("a") as file:
            file.write(json.dumps(row) + "\n")
        print({k: round(v, 4) if isinstance(v, float) else v for k, v in row.items() if "/" not in k}, flush=True)


if __name__ == "__main__":
    main()
