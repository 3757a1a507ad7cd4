"""Attribution of the score of an image to its pixels: an explanation, not a segmentation."""

import numpy as np
import torch
from captum.attr import IntegratedGradients
from numpy.typing import NDArray
from torch import Tensor
from torchvision.transforms.functional import gaussian_blur

from algan_ad.detectors.shared.contract import Detector
from algan_ad.runtime.errors import InputError
from algan_ad.runtime.predictor import Rows
from algan_ad.runtime.progress import track

STEPS = 16  # of the path integral
BLUR = 16  # the baseline is the image blurred by its side / BLUR: the same light and colours, but no detail
SMOOTH = 32  # the map is smoothed by its side / SMOOTH: single pixels mean little


def attribution_maps(detector: Detector, samples: Rows) -> list[NDArray[np.float32]]:
    """Integrated gradients (Sundararajan et al., 2017) of the anomaly score: a map (S, S) >= 0 of each image.

    The unit is that of the score. Raises InputError for detectors of vectors.
    """
    if detector.input != "image":
        raise InputError(f"{detector.name} scores vectors, so there is no map to draw")
    module = detector.attributed_module()
    integrated = IntegratedGradients(lambda nchw: module(nchw.permute(0, 2, 3, 1)))
    return [_one(integrated, samples[i : i + 1], detector.device) for i in track(range(len(samples)), "maps")]


def _one(integrated: IntegratedGradients, image: NDArray[np.uint8], device: torch.device) -> NDArray[np.float32]:
    x = torch.from_numpy(image).to(device).permute(0, 3, 1, 2).float()  # (1, 3, S, S) in 0..255
    effect = integrated.attribute(x, _blurred(x, BLUR), n_steps=STEPS, internal_batch_size=8)
    heat: NDArray[np.float32] = _blurred(effect.sum(1, keepdim=True).abs(), SMOOTH)[0, 0].float().cpu().numpy()
    return heat


def _blurred(x: Tensor, fraction: int) -> Tensor:
    sigma = x.shape[-1] / fraction
    size = 2 * int(2 * sigma) + 1
    blurred: Tensor = gaussian_blur(x, [size, size], [sigma, sigma])
    return blurred
