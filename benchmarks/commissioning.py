"""The commissioning of a model beside what the model finds of real defects: does the predicted order hold?

    python benchmarks/commissioning.py --data ../shared/data/mtd --seeds 0 1 2 --out results/commissioning.jsonl

For each seed: train (protocol normal-only), evaluate, commission. A logistic regression of *found*, fitted to the
made-up defects alone, predicts each real defect with a mask. Both are measured alike, by FEATURES. One line of JSON a
seed: the rank correlation of the prediction with the score, its AUROC for found against missed, and, for each kind and
for each fifth of the real defects by prediction, the mean prediction beside the share found.
"""

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage, stats
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from algan_ad.data.graded import Canvas
from algan_ad.data.layouts import Item, open_dataset
from algan_ad.data.masks import Mask, draw_all
from algan_ad.evaluation.commissioning import Commissioning
from algan_ad.evaluation.metrics import image_auroc
from algan_ad.evaluation.results import Evaluation
from algan_ad.runtime.images import Pixels, decode
from algan_ad.workflows import commissioning
from algan_ad.workflows.evaluate import evaluate
from algan_ad.workflows.masks import resized
from algan_ad.workflows.model import Model
from algan_ad.workflows.train import train

FALSE_ALARM_RATE = 0.05
RING = 5  # pixels, the width of what is compared with the defect
FEATURES = ("size", "mean contrast", "strongest contrast")  # pixels, the root of the area; grey levels, two
CHOICES = {"all three": (0, 1, 2), "size and mean": (0, 1), "size and strongest": (0, 2), "size": (0,), "mean": (1,)}


#: What a made-up kind is called that looks like a real one, for a prediction by kind.
ALIKE = {
    "blowhole": "hole", "crack": "scratch", "break": "missing piece", "fray": "foreign piece", "uneven": "stain",
}  # fmt: skip


class Measuring(Canvas):
    """A canvas that keeps the features of what is drawn."""

    features: list[list[float]] = []  # noqa: RUF012

    def draw(self, *args: Any) -> tuple[Pixels, Mask]:
        altered, mask = super().draw(*args)
        self.features.append(measure(altered, mask))
        return altered, mask


def measure(image: Pixels, mask: Mask) -> list[float]:
    """FEATURES of a marked defect: against the mean of the ring around it; strongest: the 95th percentile."""
    grey = image.mean(-1)
    ring = ndimage.binary_dilation(mask, iterations=RING) & ~mask
    if not mask.any() or not ring.any():
        return [1, 1, 1]
    level = grey[ring].mean()
    strongest = np.percentile(np.abs(grey[mask] - level), 95)
    return [float(max(1, each)) for each in (np.sqrt(mask.sum()), abs(grey[mask].mean() - level), strongest)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--method", default="algan-patch")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    options.out.parent.mkdir(parents=True, exist_ok=True)
    items = {str(item.path): item for item in open_dataset(options.data).items if item.masks}
    commissioning.Canvas = Measuring  # type: ignore[misc]
    for seed in options.seeds:
        model = train(options.data, options.method, seed=seed, false_alarm_rate=FALSE_ALARM_RATE)
        evaluation, start = evaluate(model, options.data), time.process_time()
        Measuring.features.clear()
        found = commissioning.commission(model, options.data, evaluation)
        assert found is not None
        line = {
            "data": options.data.name, "method": options.method, "seed": seed, "auroc": evaluation.image_auroc,
            "commissioning_seconds": round(time.process_time() - start, 1),
            "smallest": {each.contrast: (each.size, each.interval) for each in found.smallest if each.kind is None},
            "expected_false_alarms": (found.false_alarms.rate, found.false_alarms.interval),
            "realised_false_alarms": evaluation.realised_false_alarm_rate,
            **compare(model, found, evaluation, items),
        }  # fmt: skip
        print(json.dumps(line), flush=True)
        with options.out.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")


def compare(model: Model, c: Commissioning, evaluation: Evaluation, items: dict[str, Item]) -> dict[str, Any]:
    """The prediction for every real defect with a mask that marks something, beside what became of it."""
    marked = {
        image: mask
        for image in evaluation.images
        if image.label and image.path in items and (mask := draw_all(items[image.path].masks, Path(image.path))).any()
    }
    real = np.log([measure(decode(Path(image.path)), mask) for image, mask in marked.items()])
    made_up, outcome = np.log(Measuring.features), np.array([t.found for t in c.trials])
    scores = np.array([image.score for image in marked])
    found, kinds = np.array([image.anomalous for image in marked]), np.array([image.defect for image in marked])
    on_defect = peaks(model, marked)
    result: dict[str, Any] = {
        "n_real": len(marked), "found": float(found.mean()), "made up, found": float(np.mean(outcome)),
        "peak of the found on the defect": {
            str(kind): float(on_defect[found & (kinds == kind)].mean()) for kind in np.unique(kinds)
        },
    }  # fmt: skip
    predictions = {
        name: (predict(made_up[:, columns], outcome, real[:, columns]), predict(made_up[:, columns], outcome))
        for name, columns in CHOICES.items()
    }
    if set(kinds) <= ALIKE.keys():
        same = np.array([t.kind for t in c.trials])
        of_kind, of_made_up = np.empty(len(real)), np.empty(len(made_up))
        for kind, alike in ALIKE.items():
            ours, theirs = same == alike, kinds == kind
            some = made_up[ours][:, [0, 1]], outcome[ours]
            of_kind[theirs], of_made_up[ours] = predict(*some, real[theirs][:, [0, 1]]), predict(*some)
        of_made_up[same == "dent"] = np.nan  # which no real kind looks like
        predictions["size and mean, by the kind alike"] = of_kind, of_made_up
    for name, (predicted, at_home) in predictions.items():
        known = ~np.isnan(at_home)
        result[name] = {
            "spearman with the score": float(stats.spearmanr(predicted, scores).statistic),
            "auroc, found against missed": image_auroc(found.astype(int), predicted),
            "auroc, made up": image_auroc(outcome[known].astype(int), at_home[known]),
            "kinds": by_kind(kinds, predicted, found),
            "fifths": by_fifth(predicted, found),
        }
    result["medians"] = {str(k): np.exp(np.median(real[kinds == k], 0)).round(1).tolist() for k in np.unique(kinds)}
    return result


def predict(x: NDArray[Any], found: NDArray[Any], new: NDArray[Any] | None = None) -> NDArray[Any]:
    """The probability that defects with the features `new` (by default x themselves) are found."""
    curve = make_pipeline(StandardScaler(), LogisticRegression(C=100)).fit(x, found)
    probabilities: NDArray[Any] = curve.predict_proba(x if new is None else new)[:, 1]
    return probabilities


def by_kind(kinds: NDArray[Any], predicted: NDArray[Any], found: NDArray[Any]) -> dict[str, Any]:
    """Number, mean prediction and share found of each kind, and the rank correlation of the two over the kinds."""
    rows = {
        str(kind): (int(own.sum()), float(predicted[own].mean()), float(found[own].mean()))
        for kind in np.unique(kinds)
        for own in [kinds == kind]
    }
    ranks = stats.spearmanr([row[1] for row in rows.values()], [row[2] for row in rows.values()]).statistic
    return {**rows, "spearman": float(ranks)}


def by_fifth(predicted: NDArray[Any], found: NDArray[Any]) -> list[tuple[float, float]]:
    """Mean prediction and share found, of the fifth with the lowest predictions first."""
    return [(float(predicted[f].mean()), float(found[f].mean())) for f in np.array_split(np.argsort(predicted), 5)]


def peaks(model: Model, marked: dict[Any, Mask]) -> NDArray[Any]:
    """Of each real defect, that the map of its image is highest on it or next to it, bool (N,)."""
    preprocessing = model.config.preprocessing
    assert preprocessing is not None
    maps = model.scorer.score_and_maps(model.samples([image.path for image in marked]))[1]
    near = [
        ndimage.binary_dilation(resized(mask, preprocessing), iterations=8)[np.unravel_index(heat.argmax(), heat.shape)]
        for mask, heat in zip(marked.values(), maps, strict=True)
    ]
    return np.array(near)


if __name__ == "__main__":
    main()
