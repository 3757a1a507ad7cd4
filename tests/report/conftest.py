from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
import pytest

from algan_ad.evaluation import results
from algan_ad.evaluation.bootstrap import interval
from algan_ad.evaluation.results import Evaluation
from algan_ad.runtime.calibration import Calibration
from algan_ad.runtime.images import Preprocessing
from algan_ad.runtime.model_folder import ModelConfig, PlanEntry

CALIBRATION = Calibration(scores=tuple(range(19)), false_alarm_rate=0.1)  # n = 19, k = 2: threshold 17
NORMAL, ANOMALOUS = np.arange(20.0), np.arange(15.0, 25.0)


DEFAULT: dict[str, Any] = {
    "labels": [0] * 20 + [1] * 10,
    "scores": [*NORMAL, *ANOMALOUS],
    "defects": ["good"] * 20 + ["crack", "stain"] * 5,
    "paths": [f"test/good/{i:02d}.png" for i in range(20)] + [f"test/bad/{i:02d}.png" for i in range(10)],
    "calibration": CALIBRATION,
    "method": "algan-image",
    "dataset": "demo",
    "protocol": "normal-only",
    "seed": 3,
}


@pytest.fixture(scope="session")
def evaluate() -> Iterator[Callable[..., Evaluation]]:
    """Normal scores 0..19 (18 and 19 are false alarms), anomalous ones 15..24 (15, 16 and 17 are misses)."""
    with pytest.MonkeyPatch.context() as patch:  # the page does not care how fine the intervals are
        patch.setattr(results, "interval", partial(interval, n=20))
        default = results.evaluate_scores(**DEFAULT)
        yield lambda **changes: results.evaluate_scores(**(DEFAULT | changes)) if changes else default


@pytest.fixture(scope="session")
def configure() -> Callable[..., ModelConfig]:
    def make(**changes: Any) -> ModelConfig:
        given = {
            "method": "algan-image",
            "plan": {
                "sigma": PlanEntry(value=4.0, origin="fixed"),
                "precision": PlanEntry(value="bfloat16", origin="derived"),
                "epochs": PlanEntry(value=64, origin="user"),
            },
            "input": "image",
            "preprocessing": Preprocessing(size=64),
            "maps": "attribution",
            "calibration": CALIBRATION,
            "protocol": "normal-only",
            "selection": "mean of the weights of epochs 33 to 64, chosen without labels",
            "fingerprint": {"n_images": 76, "sha256": "ab" * 32},
            "seed": 3,
            "versions": {"algan-ad": "0.1.0", "torch": "2.11.0"},
            "training": {"dataset": "demo", "n_train": 57, "skipped": [], "seconds": 5400.0, "device": "cpu"},
        }
        return ModelConfig(**(given | changes))

    return make
