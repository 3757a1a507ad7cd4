"""Seconds-fast settings of each method, for the suites that run all of them."""

from typing import Any

SIDE, DIM = 32, 6

PYRAMID = {
    "image_size": SIDE, "backbone": "squeezenet1_1", "layers": ("features.3", "features.6"),
    "backbone_weights": "random",
}  # fmt: skip

#: A new method needs a line here.
TINY: dict[str, dict[str, Any]] = {
    "algan-image": {"epochs": 2, "batch_size": 8, "image_size": SIDE, "width": 4, "z_dim": 8},
    "algan-feature": {
        "epochs": 2, "batch_size": 8, "image_size": SIDE, "hidden": 8, "z_dim": 4, "backbone": "squeezenet1_1",
        "layer": "features.3", "backbone_weights": "random", "train_rotations": 2, "test_rotations": 3,
    },
    "algan-patch": {**PYRAMID, "epochs": 2, "batch_size": 8, "hidden": 8, "z_dim": 4, "prototypes": 20},
    "algan-wavelet": {
        "epochs": 2, "batch_size": 8, "image_size": SIDE, "hidden": 8, "z_dim": 4, "prototypes": 20, "features": 5,
    },
    "algan-vector": {"epochs": 2, "batch_size": 8, "hidden": 8, "z_dim": 4},
    "alocc": {"epochs": 2, "batch_size": 8, "image_size": SIDE, "width": 4, "lr": 0.02},
    "anogan": {"epochs": 2, "batch_size": 8, "image_size": SIDE, "width": 4, "z_dim": 8, "iterations": 3},
    "egbad": {"epochs": 2, "batch_size": 8, "image_size": SIDE, "width": 4, "z_dim": 8},
    "ganomaly": {"epochs": 2, "batch_size": 8, "image_size": SIDE, "width": 4, "z_dim": 8},
    "skip-ganomaly": {"epochs": 2, "batch_size": 8, "image_size": SIDE, "width": 4, "z_dim": 8},
    "ganomaly-vector": {"epochs": 2, "batch_size": 8, "hidden": 8, "z_dim": 4},
    "g2d": {"epochs": 2, "batch_size": 8, "image_size": SIDE, "width": 4, "z_dim": 8},
    "history": {"epochs": 2, "batch_size": 8, "image_size": SIDE, "width": 4, "z_dim": 8},
    "ognet": {
        "epochs": 6, "batch_size": 8, "image_size": SIDE, "width": 4, "z_dim": 8, "lr_g": 0.02, "phase_two_steps": 3,
    },
    "differnet": {
        "epochs": 2, "batch_size": 8, "image_size": SIDE, "scales": 2, "hidden": 8, "blocks": 2, "train_rotations": 2,
        "test_rotations": 3, "backbone": "squeezenet1_1", "layer": "features.3", "backbone_weights": "random",
    },
    "mahalanobis-ad": PYRAMID,
    "padim": {**PYRAMID, "dims": 20},
    "patchcore": PYRAMID,
    "spade": {**PYRAMID, "layer": "features.6", "neighbours": 5},
    "gmm": {"components": 2},
    "isolation-forest": {"trees": 10},
    "kde": {},
    "kmeans": {"clusters": 3},
    "knn": {},
    "lof": {"k": 5},
    "mahalanobis": {},
    "ocsvm": {},
    "cutpaste": {
        "epochs": 2, "batch_size": 8, "image_size": SIDE, "backbone": "squeezenet1_1", "layer": "features.3",
    },
}  # fmt: skip
