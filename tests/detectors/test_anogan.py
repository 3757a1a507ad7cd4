import numpy as np
import pytest
import torch
from noise import noise
from numpy.typing import NDArray
from torch import Tensor, nn

from algan_ad.detectors.anogan import AnoGan, AnoGanConfig, DcganAdversary, LatentSearch, draw_latents
from algan_ad.detectors.shared.contract import RunOptions, TrainingData
from algan_ad.evaluation.metrics import image_auroc

SMALL = {
    "epochs": 60, "batch_size": 8, "image_size": 32, "width": 4, "z_dim": 4, "lr": 2e-3, "precision": "float32",
    "iterations": 20, "search_lr": 0.1,
}  # fmt: skip
SIDE = 4


def images(n: int, seed: int, stripes: bool = True) -> NDArray[np.uint8]:
    return noise(n, seed, 130 * stripes)


def fitted(**changes: object) -> AnoGan:
    detector = AnoGan(AnoGanConfig(**{**SMALL, **changes}), "cpu")
    detector.fit(TrainingData(images(16, 0)), RunOptions(0, "cpu"))
    return detector


@pytest.fixture(scope="module")
def striped() -> AnoGan:
    return fitted()


class Paint(nn.Module):
    """Images (N, 3, SIDE, SIDE) in one shade, the latent (N, 1)."""

    def forward(self, z: Tensor) -> Tensor:
        return z[:, :, None, None].expand(-1, 3, SIDE, SIDE)


class Doubled(nn.Module):
    def features(self, x: Tensor) -> Tensor:
        return 2 * x


def by_hand(**changes: object) -> LatentSearch:
    return LatentSearch(Paint(), Doubled(), AnoGanConfig(**{**SMALL, "z_dim": 1, **changes}))  # type: ignore[arg-type]


WHITE = torch.full((1, SIDE, SIDE, 3), 255, dtype=torch.uint8)  # 1 in the range of the networks
BLACK = torch.zeros(1, SIDE, SIDE, 3, dtype=torch.uint8)  # -1
N_VALUES = 3 * SIDE * SIDE


def test_defaults_are_those_of_the_paper() -> None:
    config = AnoGanConfig()
    assert (config.iterations, config.feature_weight, config.z_dim, config.width) == (500, 0.1, 100, 64)


@pytest.mark.parametrize("weight", [0.0, 0.1, 1.0])
def test_score_is_the_loss_after_the_last_step(weight: float) -> None:
    """Adam's first step is the learning rate, towards the image: from 0 to 0.1, 0.9 short of white."""
    search = by_hand(iterations=1, search_lr=0.1, feature_weight=weight)
    wanted = 0.9 * N_VALUES * ((1 - weight) * 1 + weight * 2)
    np.testing.assert_allclose(search(torch.cat([WHITE, BLACK])).detach(), [wanted, wanted], rtol=1e-5)


def test_maps_show_what_the_search_could_not_draw() -> None:
    half = WHITE.clone()
    half[:, : SIDE // 2] = 128
    half[:, 0] = 0
    heat = by_hand(iterations=400, search_lr=0.01, feature_weight=0.0).forward_with_maps(half)[1][0]
    # the median of the pixels has the least residual: 2 rows of white, 1 of grey, 1 of black -> grey to white
    assert heat[0].mean() > heat[2].mean()
    assert heat.shape == (SIDE, SIDE)


def test_the_search_ends_at_an_image_that_the_generator_can_draw() -> None:
    score = by_hand(iterations=400, search_lr=0.01)(WHITE)
    assert score < 0.02 * by_hand(iterations=1, search_lr=0.01)(WHITE)


def test_each_image_starts_afresh() -> None:
    """The published code goes on from where the search for the image before ended."""
    search = by_hand(iterations=20, search_lr=0.01)
    first, alone = search(BLACK), by_hand(iterations=20, search_lr=0.01)(BLACK)
    search(WHITE)
    torch.testing.assert_close(search(BLACK), first)
    torch.testing.assert_close(first, alone)
    torch.testing.assert_close(search(torch.cat([WHITE, BLACK, WHITE]))[1:2], alone)


def test_the_start_is_drawn_by_the_seed_and_kept_with_the_model(striped: AnoGan) -> None:
    start = striped.tensors()["start"]
    assert start.shape == (4,)
    assert np.abs(start).max() <= 1
    assert len(set(start)) == 4
    np.testing.assert_array_equal(fitted(epochs=1).tensors()["start"], start)


def test_latents_are_uniform() -> None:
    torch.manual_seed(0)
    z = draw_latents(1000, 20, torch.device("cpu"))
    assert z.abs().max() <= 1
    assert z.std().item() == pytest.approx(3**-0.5, abs=0.01)


def test_training_learns_what_is_normal(striped: AnoGan) -> None:
    """Plain images are what an untrained generator draws; the stripes it must learn."""
    x, y = np.concatenate([images(10, 1), images(10, 2, stripes=False)]), np.repeat([0, 1], 10)
    untrained = AnoGan(AnoGanConfig(**SMALL), "cpu")
    untrained.module = untrained.build_module({})
    assert image_auroc(y, untrained.score(x)) == 0
    assert image_auroc(y, striped.score(x)) == 1


def test_longer_searches_come_closer(striped: AnoGan) -> None:
    scores = []
    for iterations in (1, 8, 40):
        searching = AnoGan(AnoGanConfig(**{**SMALL, "iterations": iterations}), "cpu").load(striped.tensors())
        scores.append(searching.score(images(6, 3)).mean())
    assert scores == sorted(scores, reverse=True)


def test_scoring_leaves_no_gradient_behind(striped: AnoGan) -> None:
    striped.score(images(2, 5))
    assert striped.module is not None
    assert all(parameter.grad is None for parameter in striped.module.parameters())


def test_losses_are_those_of_a_gan() -> None:
    """At a learning rate near 0 nothing moves within a step: both losses can be computed beside it."""
    config = AnoGanConfig(**{**SMALL, "lr": 1e-12})
    torch.manual_seed(0)
    G, D = AnoGan(config, "cpu").networks()
    adversary = DcganAdversary(G, D, torch.zeros(4), config)
    x = torch.rand(8, 3, 32, 32)
    torch.manual_seed(1)
    losses = adversary.step(x, 0)
    torch.manual_seed(1)
    fake = G(draw_latents(8, 4, x.device))
    real_p, fake_p = D(x).sigmoid(), D(fake).sigmoid()
    torch.testing.assert_close(losses["loss_d"], -(real_p.log().mean() + (1 - fake_p).log().mean()).detach())
    torch.testing.assert_close(losses["loss_g"], -fake_p.log().mean().detach())
