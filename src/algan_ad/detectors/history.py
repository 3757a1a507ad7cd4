"""History-based detector: it distinguishes data from the past of a GAN (Chatillon & Ballester, 2020; thesis 4.2.1)."""

from collections.abc import Mapping

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.optim import Adam

from algan_ad.algan.networks import ImageDiscriminator, ImageGenerator
from algan_ad.detectors.shared.contract import RunOptions, TrainingData
from algan_ad.detectors.shared.pixels import place
from algan_ad.detectors.shared.two_phase_gan import ClassifierScorer, SavedGeneratorsConfig, TwoPhaseGan, TwoPhases
from algan_ad.training.loop import Trained
from algan_ad.training.seeding import seed_torch


class HistoryConfig(SavedGeneratorsConfig):
    """A Wasserstein GAN with gradient penalty (Gulrajani et al., 2017: WGAN-GP), and a detector on its past."""

    lr: float = Field(1e-4, gt=0, le=1, description="learning rate of all networks (WGAN-GP)")
    n_critic: int = Field(5, ge=1, description="updates of the critic per update of the generator (WGAN-GP)")
    gradient_penalty: float = Field(10.0, ge=0, description="weight of the gradient penalty (WGAN-GP)")
    decay: float = Field(
        1.0, ge=0, le=100, description="a generator saved after the share s of phase one has the weight exp(-decay s)"
    )
    bound_penalty: float = Field(10.0, gt=0, description="weight of the penalty that holds the detector in [-1, 1]")


def gradient_penalty(critic: nn.Module, real: Tensor, fake: Tensor) -> Tensor:
    """Mean of (|gradient at u| - 1)^2, u uniform between a real and a fake image (B, 3, S, S); a scalar."""
    share = torch.rand(len(real), 1, 1, 1, device=real.device)
    between = torch.lerp(fake, real, share).requires_grad_()
    (slope,) = torch.autograd.grad(critic(between).sum(), between, create_graph=True)
    return (slope.float().flatten(1).norm(dim=1) - 1).square().mean()  # type: ignore[no-any-return]


def total_variation_loss(a_data: Tensor, a_past: Tensor, bound_penalty: float) -> Tensor:
    """Minus the total variation distance in its dual form, sup over |a| <= 1 of E_past[a] - E_data[a], softly bounded.

    a_data, a_past: outputs of the detector on data and on past samples, float (B,) each. The loss is a scalar.
    """
    beyond = (torch.cat([a_data, a_past]).abs() - 1).relu()
    return a_data.mean() - a_past.mean() + bound_penalty * beyond.square().mean()


class HistoryAdversary(TwoPhases):
    """Training of G against a critic, then of the detector A between the data and the history of G."""

    def __init__(self, config: HistoryConfig, device: torch.device) -> None:
        c = self.config = config
        size = c.image_size, c.width, c.max_width
        G = ImageGenerator(c.image_size, c.z_dim, c.width, c.max_width)
        # There is no batch norm: it would tie the penalised gradient of one image to its neighbours.
        self.critic, self.A = (ImageDiscriminator(*size, normalised=False) for _ in range(2))
        networks = {"generator": G, "critic": self.critic, "classifier": self.A}
        place(networks.values(), device)
        optimisers = {name: Adam(net.parameters(), c.lr, (0.0, 0.9)) for name, net in networks.items()}
        super().__init__(networks, optimisers, ("classifier",), c.moments, c.gan_epochs)
        self.weights = torch.exp(-c.decay * torch.tensor(c.moments) / c.gan_epochs)
        self.loss_g = torch.zeros((), device=device)  # of the latest step of G; every epoch begins with a step

    def phase_one(self, x: Tensor, j: int) -> dict[str, Tensor]:
        if j % self.config.n_critic == 0:
            self.loss_g = self.update("generator", -self.critic(self.G(self._latents(x))).float().mean())
        with torch.no_grad():
            fake = self.G(self._latents(x)).float()
        f_real, f_fake = self.critic(torch.cat([x, fake])).float().split(len(x))
        penalty = self.config.gradient_penalty * gradient_penalty(self.critic, x, fake)
        return {"loss_d": self.update("critic", f_fake.mean() - f_real.mean() + penalty), "loss_g": self.loss_g}

    def phase_two(self, x: Tensor) -> dict[str, Tensor]:
        past = self.past.draw(self._latents(x), self.weights)
        a_data, a_past = self.A(torch.cat([x, past])).float().split(len(x))
        loss = total_variation_loss(a_data, a_past, self.config.bound_penalty)
        return {"loss_c": self.update("classifier", loss)}

    def _latents(self, x: Tensor) -> Tensor:
        return torch.randn(len(x), self.config.z_dim, device=x.device)


class History(TwoPhaseGan):
    name = "history"
    Config = HistoryConfig
    config: HistoryConfig

    def build_module(self, tensors: Mapping[str, Tensor]) -> nn.Module:
        c = self.config
        return ClassifierScorer(ImageDiscriminator(c.image_size, c.width, c.max_width, normalised=False))

    def fit(self, data: TrainingData, run: RunOptions) -> Trained:
        seed_torch(run.seed, "networks")
        return self.run_loop(HistoryAdversary(self.config, self.device), self.fetcher(data), data, run)
