"""Our training loop against Algorithm 1 transcribed literally, side by side in one run.

    python benchmarks/training_step.py --image-size 64 --width 32

The literal loop decodes every image in every epoch, runs G inside the loop over k, gives each kind of data its own
pass of D, and computes in float32. Ours decodes once, runs G once a batch, joins the kinds in one pass of D, and
takes channels_last, and bfloat16 if the rules of `training/device.py` say so. Epochs alternate, so that noise of the
machine falls on both; the ratio of the medians is the result. Seconds are those of the processor, over all threads.
"""

import argparse
import json
import platform
import statistics
import tempfile
import time
from pathlib import Path

import torch
from torch.nn.functional import softplus

from algan_ad.algan import ALGAN, Buffer, Hyperparameters, Latents
from algan_ad.algan.networks import ImageDiscriminator, ImageGenerator
from algan_ad.data.cache import DecodedImages
from algan_ad.data.demo import make_demo
from algan_ad.detectors.shared.pixels import to_range
from algan_ad.runtime.images import Preprocessing, load
from algan_ad.training.device import pick_precision

B, ALPHA, XI, N_DIS = 16, 0.75, 0.75, 2


class Literal:
    """Algorithm 1 as printed, with the counts and weights of eq. 4.3."""

    def __init__(self, paths: list[Path], size: int, width: int) -> None:
        self.paths, self.preprocessing = paths, Preprocessing(size=size)
        self.G, self.D = ImageGenerator(size, 100, width, 512), ImageDiscriminator(size, width, 512)
        self.adam_g = torch.optim.Adam(self.G.parameters(), lr=2e-4, betas=(0.0, 0.9))
        self.adam_d = torch.optim.Adam(self.D.parameters(), lr=1e-4, betas=(0.0, 0.9))
        self.latents, self.buffer = Latents(), None

    def epoch(self, i: int) -> None:
        z_d, tag = self.latents.mixed(B, ALPHA)
        z_g = self.latents.normal(B)
        for indices in torch.randperm(len(self.paths)).split(B):
            images = [torch.from_numpy(load(self.paths[n], self.preprocessing)) for n in indices.tolist()]
            x = to_range(torch.stack(images))
            for _ in range(N_DIS):
                fake = self.G(z_d).detach()
                loss = softplus(-self.D(x)).mean() + (1.0 if i == 1 else XI) * self.fake_loss(fake, tag)
                if i > 1 and self.buffer is not None:
                    loss = loss + (1 - XI) * self.fake_loss(*self.buffer.draw(12, 4))
                self.adam_d.zero_grad()
                loss.backward()
                self.adam_d.step()
            self.buffer = self.buffer or Buffer(2 * B, fake)
            self.buffer.push(fake, tag)
            loss_g = softplus(-self.D(self.G(z_g))).mean()
            self.adam_g.zero_grad()
            loss_g.backward()
            self.adam_g.step()

    def fake_loss(self, fake: torch.Tensor, tag: torch.Tensor) -> torch.Tensor:
        normal, anomalous = softplus(self.D(fake[~tag])), softplus(self.D(fake[tag]))
        return ALPHA * normal.mean() + (1 - ALPHA) * anomalous.mean()


class Ours:
    """The work of `AlganImage.fit` in an epoch."""

    def __init__(self, paths: list[Path], size: int, width: int) -> None:
        self.images = DecodedImages(paths, Preprocessing(size=size))
        layout = torch.channels_last
        G = ImageGenerator(size, 100, width, 512).to(memory_format=layout)
        D = ImageDiscriminator(size, width, 512).to(memory_format=layout)
        self.algan = ALGAN(G, D, Latents(), Hyperparameters(), B, -(-len(paths) // B))
        self.low = pick_precision("auto", torch.device("cpu")) == torch.bfloat16

    def epoch(self, i: int) -> None:
        self.algan.begin_epoch(i)
        for j, indices in enumerate(torch.randperm(len(self.images)).split(B)):
            x = to_range(torch.from_numpy(self.images[indices.numpy()])).contiguous(memory_format=torch.channels_last)
            with torch.autocast("cpu", torch.bfloat16, enabled=self.low, cache_enabled=False):
                self.algan.step(x, j)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--image-size", type=int, default=64)
    parser.add_argument("--width", type=int, default=32)
    parser.add_argument("--images", type=int, default=64)
    parser.add_argument("--epochs", type=int, default=6, help="timed epochs of each, after two of warm-up")
    parser.add_argument("--threads", type=int, default=1)
    o = parser.parse_args()
    torch.set_num_threads(o.threads)
    torch.manual_seed(0)
    with tempfile.TemporaryDirectory() as folder:
        root = make_demo(Path(folder) / "demo", size=256, n_train=o.images, n_good=1, n_per_defect=1)
        paths = sorted((root / "train" / "good").iterdir())
        loops = {"literal": Literal(paths, o.image_size, o.width), "ours": Ours(paths, o.image_size, o.width)}
        seconds: dict[str, list[float]] = {name: [] for name in loops}
        for i in range(1, o.epochs + 3):
            for name, loop in loops.items():
                start = time.process_time()
                loop.epoch(i)
                seconds[name].append(time.process_time() - start)
    steps = -(-o.images // B)
    medians = {name: statistics.median(times[2:]) / steps for name, times in seconds.items()}
    print(json.dumps({
        "milliseconds_per_step": {name: round(1e3 * value, 1) for name, value in medians.items()},
        "ratio": round(medians["literal"] / medians["ours"], 2),
        "ratio_by_epoch": [round(a / b, 2) for a, b in zip(seconds["literal"][2:], seconds["ours"][2:], strict=True)],
        "image_size": o.image_size, "width": o.width, "threads": o.threads, "bfloat16": loops["ours"].low,
        "machine": f"{platform.machine()}, torch {torch.__version__}",
    }))  # fmt: skip


if __name__ == "__main__":
    main()
