"""Quality of generated images (thesis 5.8): Fréchet distance and inception score of fake-normal images."""

import math
import warnings
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torchmetrics.image.fid import FrechetInceptionDistance  # the package hides it without torch-fidelity
from torchmetrics.image.inception import InceptionScore
from torchvision.models.feature_extraction import get_graph_node_names

from algan_ad.features.backbones import Backbone, make_network
from algan_ad.runtime.errors import InputError, Option

CHUNK = 32  # images that go through the backbone at once


class Quality:
    """Judge of generated images: float (N, 3, S, S) in [-1, 1] -> {"frechet_distance": ..., "inception_score": ...}.

    The Fréchet distance (Heusel et al., 2017) is taken between the backbone's last block on the reference and on
    the generated images, lower = better; the inception score (Salimans et al., 2016) from its classifier, 1 to
    the number of classes, higher = better. Both are named after one network, Inception v3, and comparable
    only between runs with the same backbone, image size and number of images.

    Fewer than two generated images give no figures; timm's networks and weights without the classifier give no
    inception score.

    Args:
        backbone_name, weights: as `Backbone` takes them.
        reference: real-normal images, uint8 (K, S, S, 3), K >= 2.

    Raises:
        InputError: as `Backbone`, images too small for the network, or fewer than two reference images.
    """

    def __init__(self, backbone_name: str, weights: Path | str | None, reference: NDArray[np.uint8]) -> None:
        if len(reference) < 2:
            raise InputError(f"{len(reference)} reference images: the Fréchet distance needs two or more")
        features = Backbone(backbone_name, None, weights)
        classifier = _classifier(backbone_name, weights)
        try:
            with torch.random.fork_rng(devices=[]):  # torchmetrics tries the network on random pixels
                self.distance = FrechetInceptionDistance(
                    features, reset_real_features=False, input_img_size=reference.shape[1:]
                )
        except RuntimeError as error:
            raise InputError(
                f"{backbone_name}: cannot take images of {reference.shape[1]} pixels ({error}); choose another network "
                "or a larger ",
                Option("image_size"),
            ) from error
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", ".*save all extracted features")  # of a few hundred images
            self.score = None if classifier is None else InceptionScore(classifier, splits=1)
        for chunk in torch.split(torch.from_numpy(np.ascontiguousarray(reference)), CHUNK):
            self.distance.update(chunk, real=True)

    @torch.no_grad()
    def __call__(self, generated: Tensor) -> dict[str, float]:
        if len(generated) < 2:
            return {}
        images = ((generated.permute(0, 2, 3, 1).float() + 1) * 127.5).round().clamp(0, 255)
        found = {"frechet_distance": self._distance(images)}
        if self.score is not None:
            found["inception_score"] = self._score(images)
        # A figure that is not finite would end the training it only watches.
        return {name: value for name, value in found.items() if math.isfinite(value)}

    def _distance(self, images: Tensor) -> float:
        self.distance.to(images.device).reset()
        for chunk in torch.split(images, CHUNK):
            self.distance.update(chunk, real=False)
        return max(0.0, self.distance.compute().item())  # rounding can leave -1e-6

    def _score(self, images: Tensor) -> float:
        assert self.score is not None
        self.score.to(images.device).reset()
        for chunk in torch.split(images, CHUNK):
            self.score.update(chunk)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", r"std\(\)")  # one split has no spread
            return float(self.score.compute()[0].item())


def _classifier(name: str, weights: Path | str | None) -> Backbone | None:
    """The network up to its logits; None for timm's, and for weights that lack the classifier."""
    network = make_network(name, pretrained=False)
    if hasattr(network, "feature_info"):  # timm's, whose stages end before the classifier
        return None
    output = get_graph_node_names(network, suppress_diff_warning=True)[1][-1]
    try:
        return Backbone(name, output, weights)
    except InputError:
        return None
