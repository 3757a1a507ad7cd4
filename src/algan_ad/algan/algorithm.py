"""Algorithm 1 of section 4.4, line by line."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn

from algan_ad.algan.buffer import Buffer, moved
from algan_ad.algan.latents import Latents
from algan_ad.algan.networks import resting_statistics
from algan_ad.algan.objective import discriminator_loss, generator_loss, noise_loss

Scope = Literal["batch", "dataset", "fresh"]
BufferScope = Literal["batch", "dataset"]


@dataclass(frozen=True)
class Hyperparameters:
    """The thesis's symbols and defaults (5.1.1). The ablations of 5.5 are `buffered` and `anomalous_latents`."""

    alpha: float = 0.75  # share of fake-normal among generated data
    xi: float = 0.75  # weight of generated against buffered data
    n_z: int = 2  # epochs between two draws of the latents
    n_dis: int = 2  # updates of D per batch
    lr_g: float = 2e-4
    lr_d: float = 1e-4
    beta_1: float = 0.0
    beta_2: float = 0.9
    buffered: bool = True
    anomalous_latents: bool = True
    saturating: bool = False  # eq. 4.2 to the letter
    latent_scope: Scope = "dataset"  # a z_d for each batch; "batch": one for all of them; "fresh": no reuse
    buffer_scope: BufferScope = "batch"  # 5.1.1 or 4.1
    noise: float = 0.0  # weight of noisy data, a kind of pseudo-anomaly that is ours; 0: the thesis


class ALGAN:
    """The two networks, their optimisers, the latents and the buffer; `step` is one turn of the loop over j."""

    def __init__(
        self, generator: nn.Module, discriminator: nn.Module, latents: Latents, hyper: Hyperparameters,
        batch_size: int, n_batches: int, disturb: Callable[[Tensor], Tensor] | None = None,
    ) -> None:  # fmt: skip
        """`disturb` makes noisy data of real data (B, ...); if it is given, D learns to reject noisy data, too."""
        self.disturb = disturb
        self.G, self.D, self.latents, self.hyper = generator, discriminator, latents, hyper
        # In a batch without room for anomalous latents, the fake-normal data has the whole weight.
        self.alpha = hyper.alpha if hyper.anomalous_latents and round(hyper.alpha * batch_size) < batch_size else 1.0
        self.batch_size, self.n_batches = batch_size, n_batches
        self.n_normal = round(self.alpha * batch_size)  # of generated data; the others are anomalous
        self.tag = torch.arange(batch_size) >= self.n_normal  # on the CPU; that of buffered data, too
        betas = (hyper.beta_1, hyper.beta_2)
        self.adam_g = torch.optim.Adam(generator.parameters(), lr=hyper.lr_g, betas=betas)
        self.adam_d = torch.optim.Adam(discriminator.parameters(), lr=hyper.lr_d, betas=betas)
        self.buffer: Buffer | None = None
        self.epoch = 0

    def begin_epoch(self, epoch: int) -> None:
        """Lines 2 to 5. Epochs count from 1; latents are drawn in epoch 1 and every n_z epochs from there."""
        self.epoch = epoch
        if (epoch - 1) % self.hyper.n_z == 0 and self.hyper.latent_scope != "fresh":
            n_draws = 1 if self.hyper.latent_scope == "batch" else self.n_batches
            draws = [self.latents.mixed(self.batch_size, self.alpha)[0] for _ in range(n_draws)]
            self.z_d = torch.stack(draws)  # (draws, B, z_dim)
            self.z_g = torch.stack([self.latents.normal(self.batch_size) for _ in draws])  # (draws, B, z_dim)

    def step(self, x: Tensor, j: int) -> dict[str, Tensor]:
        """Lines 7 to 20 for batch j, counted from 0: n_dis updates of D, one of G. x: real-normal (B, ...).

        Nothing here waits for the device (see `Buffer`): what decides on the next operation is known on the CPU.
        """
        z_d, z_g = self._latents_of(j)
        tag = moved(self.tag, x.device)
        with torch.no_grad(), resting_statistics(self.G):
            x_fake = self.G(z_d).float()  # line 9; G rests while D learns, so one pass serves all n_dis updates
        for _ in range(self.hyper.n_dis):
            loss_d, logits = self._update_discriminator(x, x_fake, tag)
        if self.hyper.buffered:
            self._remember(x_fake)  # line 18
        loss_g = self._update_generator(z_g)
        n = len(x)
        return {
            "loss_d": loss_d, "loss_g": loss_g, "logit_spread": logits.std(),
            "logit/real-normal": logits[:n].mean(), "logit_fake": logits[n:].mean(),
        }  # fmt: skip

    def _latents_of(self, j: int) -> tuple[Tensor, Tensor]:
        if self.hyper.latent_scope == "fresh":
            return self.latents.mixed(self.batch_size, self.alpha)[0], self.latents.normal(self.batch_size)
        j = j % len(self.z_d)
        return self.z_d[j], self.z_g[j]

    def _update_discriminator(self, x: Tensor, x_fake: Tensor, tag: Tensor) -> tuple[Tensor, Tensor]:
        """Lines 10 to 16, with real, fake and buffered data in one pass of D."""
        parts = [x, x_fake]
        if self.buffer is not None and self.epoch > 1:  # line 10: no buffered data in the first epoch
            parts.append(self.buffer.draw(self.n_normal, self.batch_size - self.n_normal)[0])
        if self.disturb is not None:
            parts.append(self.disturb(x))
        logits = self.D(torch.cat(parts)).float()
        real, fake, *rest = logits.split([len(part) for part in parts])
        noisy = rest.pop() if self.disturb is not None else None
        buffered = rest[0] if rest else None
        loss = discriminator_loss(real, fake, tag, buffered, tag, self.alpha, self.hyper.xi)
        if noisy is not None:
            loss = loss + self.hyper.noise * noise_loss(noisy)
        self.adam_d.zero_grad(set_to_none=True)
        loss.backward()
        self.adam_d.step()
        return loss.detach(), logits.detach()

    def _update_generator(self, z_g: Tensor) -> Tensor:
        """Lines 19 and 20, on fake-normal data only. D's own gradients are not needed, so they are not computed."""
        self.D.requires_grad_(False)
        loss = generator_loss(self.D(self.G(z_g)).float(), self.hyper.saturating)
        self.adam_g.zero_grad(set_to_none=True)
        loss.backward()
        self.adam_g.step()
        self.D.requires_grad_(True)
        return loss.detach()

    def _remember(self, x_fake: Tensor) -> None:
        if self.buffer is None:
            batches = 1 if self.hyper.buffer_scope == "batch" else self.n_batches
            self.buffer = Buffer(2 * batches * self.batch_size, x_fake, self.latents.generator)
        self.buffer.push(x_fake, self.tag)

    @torch.no_grad()
    def pseudo_samples(self, n: int) -> dict[str, Tensor]:
        """Samples (n, ...) of each kind of pseudo data (5.8), with G in eval mode, where sigma has its full effect."""
        training = self.G.training
        self.G.eval()
        samples = {"fake-normal": self.G(self.latents.normal(n)).float()}
        if self.hyper.anomalous_latents:
            samples["fake-anomalous"] = self.G(self.latents.anomalous(n)).float()
        if self.buffer is not None:
            samples["buffered"] = self.buffer.samples[
                torch.randint(
                    self.buffer.size, (n,), device=samples["fake-normal"].device, generator=self.latents.generator
                )
            ]
        self.G.train(training)
        return samples

    def state_dict(self) -> dict[str, Any]:
        """Everything that a resumed run needs, as nested dictionaries of tensors and plain values."""
        state: dict[str, Any] = {name: getattr(self, name).state_dict() for name in ("G", "D", "adam_g", "adam_d")}
        if self.hyper.latent_scope != "fresh":
            state["latents"] = {"z_d": self.z_d, "z_g": self.z_g}
        if self.buffer is not None:
            state["buffer"] = {
                "samples": self.buffer.samples,
                "anomalous": self.buffer.anomalous,
                "size": self.buffer.size,
            }
        return state

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take up a state that `state_dict` gave."""
        for name in ("G", "D", "adam_g", "adam_d"):
            getattr(self, name).load_state_dict(state[name])
        device = self.latents.device
        if "latents" in state:
            self.z_d, self.z_g = (state["latents"][name].to(device) for name in ("z_d", "z_g"))
        if "buffer" in state:
            samples = state["buffer"]["samples"].to(device)
            self.buffer = Buffer(len(samples), samples, self.latents.generator)
            self.buffer.samples.copy_(samples)
            self.buffer.anomalous.copy_(state["buffer"]["anomalous"])
            self.buffer.size = int(state["buffer"]["size"])
