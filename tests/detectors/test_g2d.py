import math

import numpy as np
import pytest
import torch
from noise import bands
from torch import Tensor, nn

from algan_ad.detectors.g2d import G2D, G2DAdversary, G2DConfig, real_against_fake
from algan_ad.detectors.shared.contract import RunOptions, TrainingData
from algan_ad.detectors.shared.two_phase_gan import PastStates
from algan_ad.evaluation.metrics import image_auroc
from algan_ad.training.seeding import seed_torch

SMALL = {"epochs": 6, "batch_size": 8, "image_size": 32, "width": 4, "z_dim": 8}
CPU = torch.device("cpu")


def test_loss_by_hand() -> None:
    """Binary cross entropy of logits 2 (real, wanted 0) and -1 (fake, wanted 1)."""
    real, fake = torch.tensor([[2.0]]), torch.tensor([[-1.0]])
    wanted = (math.log1p(math.exp(2)) + math.log1p(math.exp(1))) / 2
    assert real_against_fake(nn.Identity(), real, fake).item() == pytest.approx(wanted)


def test_real_and_fake_pass_through_batch_norm_together() -> None:
    """Apart, batch norm would map constant real and constant fake images to the same numbers."""
    seen: list[Tensor] = []
    norm = nn.BatchNorm1d(1)
    norm.register_forward_hook(lambda layer, inputs, output: seen.append(output))
    real_against_fake(norm, torch.zeros(4, 1), torch.ones(4, 1))
    assert seen[0].flatten().tolist() == pytest.approx([-1.0] * 4 + [1.0] * 4, abs=1e-3)


@pytest.mark.parametrize(
    ("epochs", "share", "n_saved", "gan_epochs", "moments"),
    [
        (512, 0.5, 3, 256, [64, 128, 192]),  # evenly spaced, neither the first nor the last state
        (6, 0.5, 10, 3, [1, 2]),  # fewer epochs than states
        (2, 0.5, 10, 1, [1]),
        (2, 0.99, 10, 1, [1]),  # an epoch is left for the classifier
        (10, 0.01, 10, 1, [1]),
    ],
)
def test_which_states_are_kept(epochs: int, share: float, n_saved: int, gan_epochs: int, moments: list[int]) -> None:
    config = G2DConfig(epochs=epochs, gan_share=share, n_saved=n_saved)
    assert (config.gan_epochs, config.moments) == (gan_epochs, moments)


def test_the_past_is_that_of_its_moments() -> None:
    generator = nn.Linear(1, 1, bias=False)
    past = PastStates(generator, [1, 3])
    for epoch in range(5):
        nn.init.constant_(generator.weight, float(epoch))
        past.keep(epoch, generator)
    assert [state.weight.item() for state in past.states] == [1.0, 3.0]
    assert not any(parameter.requires_grad for parameter in past.parameters())


def test_each_state_is_drawn_by_its_weight() -> None:
    past = PastStates(nn.Linear(1, 1, bias=False), [1, 2, 3])
    for value, state in enumerate(past.states):
        nn.init.constant_(state.weight, float(value))
    torch.manual_seed(0)
    drawn = past.draw(torch.ones(4000, 1), torch.tensor([1.0, 0.0, 3.0]))
    shares = [(drawn == value).float().mean().item() for value in range(3)]
    assert shares == pytest.approx([0.25, 0.0, 0.75], abs=0.03)


def test_phases_train_what_belongs_to_them() -> None:
    seed_torch(0)
    adversary = G2DAdversary(G2DConfig(**SMALL), CPU)
    x = torch.rand(8, 3, 32, 32) * 2 - 1

    def changed(epoch: int) -> set[str]:
        before = {name: {k: v.clone() for k, v in net.state_dict().items()} for name, net in networks.items()}
        adversary.begin_epoch(epoch)
        adversary.step(x, 0)
        return {
            name for name, net in networks.items()
            if any(not torch.equal(v, before[name][k]) for k, v in net.named_parameters())
        }  # fmt: skip

    networks = {name: net for name, net in adversary.parts.items() if isinstance(net, nn.Module)}
    assert changed(1) == {"generator", "discriminator"}
    assert changed(2) == {"generator", "discriminator", "past"}  # the state after epoch 1 is kept
    changed(3)
    assert changed(4) == {"classifier"}


def test_what_looks_immature_scores_higher() -> None:
    detector = G2D(G2DConfig(**SMALL | {"epochs": 16, "lr": 2e-3}), "cpu")
    detector.fit(TrainingData(bands(32, 0)), RunOptions(0, "cpu"))
    noise = np.random.default_rng(1).integers(90, 160, (16, 32, 32, 3), dtype=np.uint8)  # grey, as G begins
    scores = detector.score(np.concatenate([bands(16, 2), noise]))
    assert image_auroc(np.repeat([0, 1], 16), scores) == 1
