"""ALGAN-wavelet: ALGAN on patches of a fixed bank of wavelets, without any pre-trained network."""

from collections.abc import Mapping

from pydantic import Field
from torch import Tensor

from algan_ad.detectors.shared.algan_on_patches import AlganOnPatches, OnPatchesConfig
from algan_ad.features.wavelets import N_FEATURES, WaveletNetwork, fit_wavelets
from algan_ad.runtime.predictor import Rows


class AlganWaveletConfig(OnPatchesConfig):
    """ALGAN-wavelet. The defaults were chosen on good data and made-up defects (docs/experiments/pixels.md)."""

    features: int = Field(
        64, ge=1, le=N_FEATURES, description="principal axes of the wavelets' responses that are kept"
    )


class AlganWavelet(AlganOnPatches):
    name = "algan-wavelet"
    Config = AlganWaveletConfig
    n_levels = 1
    not_exported = (
        "the logarithms of faint responses magnify the rounding of float32, which differs from one runtime to another"
    )
    config: AlganWaveletConfig

    def network(self, images: Rows) -> WaveletNetwork:
        return fit_wavelets(images, self.config.features, self.device)

    def empty_network(self, tensors: Mapping[str, Tensor]) -> WaveletNetwork:
        return WaveletNetwork(self.config.features)
