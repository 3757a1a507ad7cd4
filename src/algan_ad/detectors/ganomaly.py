"""GANomaly (Akcay, Atapour-Abarghouei & Breckon, 2018): an anomaly and its reconstruction differ in their codes."""

from collections.abc import Mapping

from torch import Tensor, nn

from algan_ad.algan.networks import ImageGenerator
from algan_ad.detectors.shared.contract import RunOptions, TrainingData
from algan_ad.detectors.shared.encoder import Encoder
from algan_ad.detectors.shared.ganomaly_training import GanomalyAdversary, GanomalyConfig, code_distance
from algan_ad.detectors.shared.image_gan import ImageGan, ImageGanConfig
from algan_ad.detectors.shared.pixels import residual_map, to_range
from algan_ad.training.loop import Trained


class GanomalyImageConfig(ImageGanConfig, GanomalyConfig):
    """GANomaly on images; sizes and epochs are those of ALGAN-image (thesis 5.1.1, 5.3)."""


class GanomalyScorer(nn.Module):
    """uint8 (N, S, S, 3) -> anomaly score (N,): the distance between the codes of x and G(x), eq. 3.10."""

    def __init__(self, encoder: nn.Module, decoder: nn.Module, reencoder: nn.Module) -> None:
        super().__init__()
        self.encoder, self.decoder, self.reencoder = encoder, decoder, reencoder

    def forward(self, images: Tensor) -> Tensor:
        return self.forward_with_maps(images)[0]

    def forward_with_maps(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Scores (N,), and maps (N, S, S) of |x - G(x)|."""
        x = to_range(images)
        z = self.encoder(x)
        reconstructed = self.decoder(z)
        return code_distance(z, self.reencoder(reconstructed)), residual_map(x, reconstructed)


class Ganomaly(ImageGan):
    name = "ganomaly"
    Config = GanomalyImageConfig
    draws_maps = True
    config: GanomalyImageConfig

    def build_module(self, tensors: Mapping[str, Tensor]) -> GanomalyScorer:
        return GanomalyScorer(self._encoder(), self._decoder(), self._encoder())

    def fit(self, data: TrainingData, run: RunOptions) -> Trained:
        networks = self.fresh(self._networks, run.seed)
        return self.run_loop(GanomalyAdversary(*networks, self.config), self.fetcher(data), data, run)

    def _networks(self) -> tuple[Encoder, ImageGenerator, Encoder, Encoder]:
        c = self.config
        discriminator = Encoder(c.image_size, c.width, c.max_width, out=1)
        return self._encoder(), self._decoder(), self._encoder(), discriminator

    def _encoder(self) -> Encoder:
        c = self.config
        return Encoder(c.image_size, c.width, c.max_width, c.z_dim)

    def _decoder(self) -> ImageGenerator:
        c = self.config
        return ImageGenerator(c.image_size, c.z_dim, c.width, c.max_width)
