import math

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from algan_ad.detectors.ognet import OGNet, OGNetAdversary, OGNetConfig, OGNetScorer, good_against_bad
from algan_ad.detectors.shared.contract import RunOptions, TrainingData
from algan_ad.training.seeding import seed_torch

SMALL = {"epochs": 4, "batch_size": 8, "image_size": 32, "width": 4, "z_dim": 8}
CPU = torch.device("cpu")


def images(n: int, seed: int) -> NDArray[np.uint8]:
    x = np.random.default_rng(seed).integers(0, 40, (n, 32, 32, 3))
    x[:, ::8] += 160
    return x.astype(np.uint8)


def sp(t: float) -> float:
    return math.log1p(math.exp(t))


def test_phase_two_by_hand() -> None:
    """alpha D(x) and (1 - alpha) D(G(x)) towards 0; beta D(low) and (1 - beta) D(pseudo) towards 1."""
    logits = tuple(torch.tensor([t]) for t in (1.0, -2.0, 3.0, -4.0))
    wanted = 0.1 * sp(1) + 0.9 * sp(-2) + 0.25 * sp(-3) + 0.75 * sp(4)
    assert good_against_bad(logits, alpha=0.1, beta=0.25).item() == pytest.approx(wanted)


def test_defaults_are_those_of_the_paper() -> None:
    c = OGNetConfig()
    assert (c.reconstruction, c.alpha, c.beta, c.lr_g, c.lr_d) == (0.2, 0.1, 0.001, 1e-3, 1e-4)
    assert c.phase_two_steps == 75


@pytest.mark.parametrize(("epochs", "n_batches", "first"), [(100, 25, 97), (100, 26, 97), (100, 40, 98), (2, 3, 1)])
def test_phase_two_is_75_batches_in_whole_epochs(epochs: int, n_batches: int, first: int) -> None:
    assert OGNetAdversary(OGNetConfig(**SMALL | {"epochs": epochs}), n_batches, CPU).first_epochs == first


class Recorder(nn.Module):
    """Stands in for a network: notes what it is given and gives it back, times `factor`."""

    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor, self.seen = factor, []  # type: ignore[var-annotated]

    def forward(self, x: Tensor) -> Tensor:
        self.seen.append(x)
        return self.factor * x


def test_pseudo_anomalies_mix_old_reconstructions_of_two_images() -> None:
    """x^pseudo = G((G_old(x_i) + G_old(x_j)) / 2), j != i; D sees x, G(x), G_old(x), x^pseudo in one pass."""
    adversary = OGNetAdversary(OGNetConfig(**SMALL), 100, CPU)
    adversary.begin_epoch(4)
    x = torch.rand(4, 3, 32, 32)
    adversary.G, adversary.past.states[0] = Recorder(2.0), Recorder(0.5)
    passes: list[Tensor] = []
    adversary.D.register_forward_pre_hook(lambda module, inputs: passes.append(inputs[0]))
    adversary.step(x, 0)
    real, good, low, pseudo = passes[0].chunk(4)
    assert len(passes) == 1
    torch.testing.assert_close([real, good, low], [x, 2 * x, x / 2])
    torch.testing.assert_close(pseudo, torch.stack([(x[i] + x[i - 1]) / 2 for i in range(4)]))


def test_phases() -> None:
    """Phase one trains both and keeps G after epoch 1; phase two trains D alone at half its rate, with G as in use."""
    seed_torch(0)
    adversary = OGNetAdversary(OGNetConfig(**SMALL), 40, CPU)  # two epochs each
    weight, x = adversary.G.encoder.head.weight, torch.rand(8, 3, 32, 32) * 2 - 1
    kept = []
    for epoch in (1, 2, 3, 4):
        adversary.begin_epoch(epoch)
        assert adversary.G.training == (epoch <= 2)
        assert adversary.optimisers["discriminator"].param_groups[0]["lr"] == (1e-4 if epoch <= 2 else 5e-5)
        before = weight.clone()
        assert ("loss_g" in adversary.step(x, 0)) == (epoch <= 2)
        assert torch.equal(before, weight) == (epoch > 2)
        kept.append(weight.clone())
    assert torch.equal(adversary.past.states[0].encoder.head.weight, kept[0])
    assert not torch.equal(kept[0], kept[-1])


def test_score_is_the_logit_of_the_reconstruction() -> None:
    """D(G(x)), not D(x): with G = -1/2 and D the mean pixel."""

    class Mean(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x.mean((1, 2, 3))[:, None]

    white = torch.full((2, 32, 32, 3), 255, dtype=torch.uint8)
    scorer = OGNetScorer(Recorder(-0.5), Mean())
    assert scorer(white).tolist() == pytest.approx([-0.5, -0.5])
    assert scorer.forward_with_maps(white)[1].flatten().tolist() == pytest.approx([1.5] * 2048)


def test_reconstructions_become_better_and_bad_ones_score_higher() -> None:
    """After training, D puts what the old generator makes of pairs of images above what G makes of one."""
    detector = OGNet(OGNetConfig(**SMALL | {"epochs": 40, "phase_two_steps": 40, "lr_d": 1e-3}), "cpu")
    x = images(32, 0)
    detector.fit(TrainingData(x), RunOptions(0, "cpu"))
    short = OGNet(OGNetConfig(**SMALL | {"epochs": 2}), "cpu")
    short.fit(TrainingData(x), RunOptions(0, "cpu"))
    held_out = images(16, 1)
    assert np.mean(detector.score_and_maps(held_out)[1]) < 0.6 * np.mean(short.score_and_maps(held_out)[1])
    inverted = 255 - held_out
    assert detector.score(inverted).mean() > detector.score(held_out).mean()
