"""DifferNet: the likelihood by hand, the flow's determinant, scales, rotations, and that training does something."""

import math
from typing import Any

import numpy as np
import pytest
import torch
from noise import noise
from numpy.typing import NDArray

from algan_ad.data.recipe import Recipe
from algan_ad.detectors.differnet import (
    DifferNet,
    DifferNetConfig,
    FlowAdversary,
    MultiScale,
    make_flow,
    negative_log_likelihood,
)
from algan_ad.detectors.shared.attribution import attribution_maps
from algan_ad.detectors.shared.contract import RunOptions, TrainingData
from algan_ad.evaluation.metrics import image_auroc
from algan_ad.features.backbones import RANDOM, Backbone
from algan_ad.features.packaged import LITE0
from algan_ad.features.rotations import Rotations
from algan_ad.runtime.errors import InputError
from algan_ad.training.seeding import seed_torch

SMALL: dict[str, Any] = {
    "epochs": 4, "batch_size": 4, "image_size": 32, "scales": 2, "hidden": 32, "blocks": 3, "lr": 2e-3,
    "train_rotations": 2, "test_rotations": 4, "backbone": "squeezenet1_1", "layer": "features.3",
    "backbone_weights": RANDOM,
}  # fmt: skip


def images(n: int, seed: int, stripes: bool = False) -> NDArray[np.uint8]:
    return noise(n, seed, 100 * stripes)


def fitted(**changes: Any) -> DifferNet:
    detector = DifferNet(DifferNetConfig(**{**SMALL, **changes}), "cpu")
    detector.fit(TrainingData(images(16, 0), held_out=images(6, 1)), RunOptions(0, "cpu"))
    return detector


def flow(dim: int) -> torch.nn.Module:
    seed_torch(0, "flow")
    return make_flow(dim, blocks=3, hidden=16, clamp=3.0)


class Doubling(torch.nn.Module):
    """z = 2 y: log |det| = d log 2."""

    def forward(self, y: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return 2 * y, torch.full((len(y),), y.shape[1] * math.log(2))


def test_defaults_are_the_papers_except_for_the_network() -> None:
    c = DifferNetConfig()
    assert (c.backbone, c.image_size, c.scales) == (LITE0, 448, 3)
    assert (c.blocks, c.hidden, c.clamp, c.lr, c.epochs) == (8, 2048, 3.0, 2e-4, 192)
    assert (c.train_rotations, c.test_rotations, c.batch_size * c.train_rotations) == (4, 64, 96)
    assert DifferNet(c, "cpu").choices("normal-only")["selection"] == "last"
    preprocessing = DifferNet(c, "cpu").preprocessing(Recipe(centre_crop=True))
    assert (preprocessing.size, preprocessing.resize) == (448, 512)


def test_likelihood_by_hand() -> None:
    y = torch.tensor([[1.0, 0.0, 0.0], [1.0, 2.0, 2.0]])
    torch.testing.assert_close(negative_log_likelihood(Doubling(), y), torch.tensor([2.0, 18.0]) - 3 * math.log(2))


def test_log_determinant_is_that_of_the_jacobian() -> None:
    f = flow(6).double()
    y = torch.randn(6, dtype=torch.float64)
    jacobian = torch.autograd.functional.jacobian(lambda v: f(v[None])[0][0], y)
    torch.testing.assert_close(f(y[None])[1][0], torch.linalg.slogdet(jacobian).logabsdet)


def test_likelihood_is_a_density() -> None:
    """In one plane it sums to one: exp(-nll) / 2 pi over a grid."""
    f = flow(2)
    side = torch.linspace(-12, 12, 601)
    grid = torch.cartesian_prod(side, side)
    with torch.no_grad():
        total = (-negative_log_likelihood(f, grid)).exp().sum() * (side[1] - side[0]) ** 2 / (2 * math.pi)
    assert total.item() == pytest.approx(1, abs=1e-3)


def test_flow_has_the_size_that_was_asked_for() -> None:
    linear = [m for m in make_flow(8, blocks=2, hidden=16, clamp=3.0).modules() if isinstance(m, torch.nn.Linear)]
    assert len(linear) == 2 * 2 * 4  # blocks, halves, three hidden layers and the output
    assert [m.out_features for m in linear[:4]] == [16, 16, 16, 8]  # log scales and shifts of the other half


def test_log_scales_are_softly_clamped() -> None:
    """The paper's eq. 2: 2 alpha / pi arctan(h / alpha), within alpha however large h is."""
    f = make_flow(2, blocks=1, hidden=4, clamp=3.0)
    for m in f.modules():
        if isinstance(m, torch.nn.Linear):
            torch.nn.init.zeros_(m.weight)
            torch.nn.init.zeros_(m.bias)
            if m.out_features == 2:
                m.bias.data[0] = 1e9  # h of each half; the other number is its shift
    torch.testing.assert_close(f(torch.ones(1, 2))[1], torch.tensor([6.0]))
    for m in f.modules():
        if isinstance(m, torch.nn.Linear) and m.out_features == 2:
            m.bias.data[0] = 3.0
    torch.testing.assert_close(f(torch.ones(1, 2))[1], torch.tensor([3.0]))  # 3 / 2 of each half


def test_making_a_flow_leaves_numpys_random_state() -> None:
    np.random.seed(5)
    wanted = np.random.random()
    np.random.seed(5)
    make_flow(4, blocks=2, hidden=4, clamp=3.0)
    assert np.random.random() == wanted


def test_features_of_all_scales_side_by_side() -> None:
    backbone = Backbone("squeezenet1_1", "features.3", RANDOM)
    x = torch.from_numpy(images(2, 0))
    found = MultiScale(backbone, rotations=1, scales=2)(x)
    half = x.float().reshape(2, 16, 2, 16, 2, 3).mean((2, 4))
    assert found.shape == (2, 256)
    torch.testing.assert_close(found[:, :128], backbone(x))
    torch.testing.assert_close(found[:, 128:], backbone(half))


def test_score_is_the_mean_likelihood_over_the_rotations() -> None:
    detector = fitted()
    module = detector.module
    assert module is not None
    x = torch.from_numpy(images(3, 5))
    turned = Rotations(4)(x).reshape(3, 4, 32, 32, 3)
    upright = MultiScale(module.features.backbone, 1, 2)
    with torch.no_grad():
        each = torch.stack([negative_log_likelihood(module.flow, upright(turned[:, k])) for k in range(4)], 1)
    np.testing.assert_allclose(detector.score(images(3, 5)), each.mean(1), rtol=1e-4)


def test_a_step_descends() -> None:
    seed_torch(0, "data")
    adversary, y = FlowAdversary(flow(6), 1e-2, held_out=torch.randn(5, 6)), 3 + torch.randn(8, 2, 6)
    losses = [adversary.step(y, 0)["loss_nll"].item() for _ in range(30)]
    assert losses[-1] < losses[0] - 5
    assert adversary.observe()["nll/held-out-normal"] > losses[-1]


def test_permutations_are_not_trained() -> None:
    adversary = FlowAdversary(flow(6), 1e-2, None)
    trained = {id(p) for group in adversary.optimizer.param_groups for p in group["params"]}
    for name, parameter in adversary.flow.named_parameters():
        assert (id(parameter) in trained) == ("perm" not in name), name


def test_striped_images_score_higher() -> None:
    test = np.concatenate([images(12, 2), images(12, 3, stripes=True)])
    detector = fitted(epochs=25)
    assert image_auroc(np.repeat([0, 1], 12), detector.score(test)) == 1
    assert detector.score(images(12, 2)).mean() < fitted(epochs=1).score(images(12, 2)).mean()


def test_training_sees_every_test_angle_but_not_all_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[torch.Tensor] = []
    step = FlowAdversary.step

    def spy(self: FlowAdversary, x: torch.Tensor, j: int) -> dict[str, torch.Tensor]:
        seen.append(x)
        return step(self, x, j)

    monkeypatch.setattr(FlowAdversary, "step", spy)
    fitted(epochs=12)
    assert {tuple(x.shape) for x in seen} == {(4, 2, 256)}
    assert len(torch.cat(seen).flatten(0, 1).unique(dim=0)) == 16 * 4


def test_validation_selects_by_the_scores_that_prediction_gives() -> None:
    detector = DifferNet(DifferNetConfig(**SMALL, observe_every=2), "cpu")
    samples, labels = np.concatenate([images(6, 2), images(6, 3, stripes=True)]), np.repeat([0, 1], 6)
    trained = detector.fit(TrainingData(images(16, 0), validation=(samples, labels)), RunOptions(0, "cpu"))
    assert f"({image_auroc(labels, detector.score(samples)):.3f})" in trained.selection


def test_folder_holds_all_that_prediction_needs() -> None:
    detector = fitted()
    config = DifferNetConfig(**{**SMALL, "backbone_weights": "/not/there.pth"})
    restored = DifferNet(config, "cpu").load(detector.tensors())
    np.testing.assert_array_equal(restored.score(images(5, 7)), detector.score(images(5, 7)))


def test_maps_explain_the_upright_view() -> None:
    (heat,) = attribution_maps(fitted(), images(1, 3, stripes=True))
    assert heat.shape == (32, 32)
    assert heat.max() > 0


def test_a_size_that_cannot_be_halved_is_refused() -> None:
    with pytest.raises(InputError, match=r"image_size: 50 cannot be halved 2 times"):
        DifferNetConfig(image_size=50)
