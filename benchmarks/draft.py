"""JPEG's own down-scaling (`--draft`): its effect on scores, beside that of training again with another seed.

    python benchmarks/draft.py --into results/draft
    python benchmarks/draft.py --into results/draft --spare 1

Makes JPEG photographs of 2000 x 1500 pixels of the demo's plates, 100 good ones and 10 of each defect, and trains
algan-patch on 80 of the good ones with seeds 0, 1, 2, with draft and without. Compares the scores of the 20 other good
ones and of the defects: `seeds`, two seeds with the same reading; `draft`, the same seed with and without. A
shift is in standard deviations of the good ones' scores. `--spare`: pixels, each way, that the decoder leaves for one
of the method's. Prints a line of JSON.
"""

import argparse
import json
from concurrent.futures import ThreadPoolExecutor
from itertools import combinations
from pathlib import Path

import numpy as np
from PIL import Image
from scipy.stats import spearmanr
from sklearn.metrics import roc_auc_score

from algan_ad import train
from algan_ad.data.demo_part import DEFECTS, make_part
from algan_ad.runtime import images

WIDTH, HEIGHT, DRAWN = 2000, 1500, 500
N_GOOD, N_TRAIN, N_BAD = 100, 80, 10


def make(folder: Path) -> None:
    def save(job: tuple[int, str | None, int]) -> None:
        group, defect, number = job
        part = "test/" + defect if defect else "train/good" if number < N_TRAIN else "test/good"
        path = folder / part / f"{number:03}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists():
            return
        drawn = Image.fromarray(make_part((0, group, number), DRAWN, defect)[0])
        large = drawn.resize((WIDTH, WIDTH), Image.Resampling.BICUBIC)
        top = (WIDTH - HEIGHT) // 2
        pixels = np.asarray(large.crop((0, top, WIDTH, top + HEIGHT)), dtype=np.float32)
        noise = np.random.default_rng((group, number)).normal(0, 3, pixels.shape[:2]).astype(np.float32)
        noisy = np.clip(pixels + noise[..., None], 0, 255).astype(np.uint8)
        Image.fromarray(noisy).save(path, quality=90)

    jobs: list[tuple[int, str | None, int]] = [(0, None, number) for number in range(N_GOOD)]
    jobs += [(1 + group, defect, n) for group, defect in enumerate(DEFECTS) for n in range(N_BAD)]
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(save, jobs))


def compared(a: np.ndarray, b: np.ndarray, good: np.ndarray) -> dict[str, float]:
    shift = np.abs(a - b) / a[good].std()
    return {
        "mean_shift": round(float(shift.mean()), 3),
        "largest_shift": round(float(shift.max()), 3),
        "spearman": round(float(spearmanr(a, b).statistic), 4),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--into", type=Path, required=True)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--spare", type=int, default=images.SPARE)
    o = parser.parse_args()
    images.SPARE = o.spare
    make(o.into)
    paths = sorted((o.into / "test").rglob("*.jpg"))
    good = np.array([path.parent.name == "good" for path in paths])
    scores: dict[tuple[bool, int], np.ndarray] = {}
    for seed in o.seeds:
        for draft in (False, True):
            model = train(o.into, "algan-patch", seed=seed, draft=draft, threads=1)
            scores[draft, seed] = model.score(paths)
    pairs = [(compared(scores[d, a], scores[d, b], good)) for d in (False, True) for a, b in combinations(o.seeds, 2)]
    same = [compared(scores[False, seed], scores[True, seed], good) for seed in o.seeds]
    auroc = {
        name: [round(float(roc_auc_score(~good, scores[draft, seed])), 4) for seed in o.seeds]
        for name, draft in (("whole", False), ("draft", True))
    }
    print(json.dumps({"spare": o.spare, "images": len(paths), "auroc": auroc, "seeds": pairs, "draft": same}))


if __name__ == "__main__":
    main()
