import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from algan_ad.data.recipe import Recipe
from algan_ad.detectors.cutpaste import (
    CutPaste,
    CutPasteAdversary,
    CutPasteConfig,
    CutPasteScorer,
    features,
    initialise,
    shifted,
)
from algan_ad.detectors.shared.contract import RunOptions, TrainingData
from algan_ad.evaluation.metrics import image_auroc
from algan_ad.features.backbones import RANDOM, Backbone
from algan_ad.features.conditioning import Whitening
from algan_ad.runtime.errors import InputError
from algan_ad.training.seeding import seed_torch

SMALL = {"epochs": 2, "batch_size": 8, "image_size": 32, "backbone": "squeezenet1_1", "layer": "features.3"}
CPU = torch.device("cpu")


def images(n: int, seed: int, side: int = 32) -> NDArray[np.uint8]:
    """Vertical bands under noise."""
    x = np.random.default_rng(seed).integers(0, 40, (n, side, side, 3))
    x[:, :, ::8] += 160
    return x.astype(np.uint8)


def make(**changes: object) -> CutPaste:
    return CutPaste(CutPasteConfig(**{**SMALL, **changes}), "cpu")


def test_defaults_are_those_of_the_paper() -> None:
    c = CutPasteConfig()
    assert (c.variant, c.backbone, c.image_size, c.batch_size) == ("3-way", "resnet18", 256, 32)
    assert (c.lr, c.momentum, c.weight_decay) == (0.03, 0.9, 3e-5)


@pytest.mark.parametrize(("variant", "classes"), [("normal", 2), ("scar", 2), ("3-way", 3)])
def test_a_batch_holds_each_image_once_in_every_class(variant: str, classes: int) -> None:
    detector = make(variant=variant, translation=0.0, jitter=0.0)
    x = images(8, 0)
    torch.manual_seed(0)
    batch = detector.fetcher(TrainingData(x))(torch.tensor([3, 5])).numpy()
    assert batch.shape == (2, classes, 32, 32, 3)
    assert batch.dtype == np.uint8
    np.testing.assert_array_equal(batch[:, 0], x[[3, 5]])
    for altered in range(1, classes):
        changed = (batch[:, altered] != batch[:, 0]).any(-1).mean((1, 2))
        assert (changed > 0).all()
        assert (changed < 0.2).all()  # an altered copy of this image, and of no other


def test_varied_before_it_is_altered() -> None:
    """The good and the altered copy have the same shift and colours, so that these do not tell them apart."""
    torch.manual_seed(0)
    batch = make().fetcher(TrainingData(images(8, 0)))(torch.arange(8)).numpy()
    assert (batch[:, 0] != images(8, 0)).any((1, 2, 3)).all()
    assert ((batch[:, 1] == batch[:, 0]).all(-1).mean((1, 2)) > 0.8).all()


def test_shift_moves_by_whole_pixels_and_continues_the_border() -> None:
    x = torch.arange(16.0).reshape(1, 1, 1, 16).expand(200, 1, 16, 16)
    torch.manual_seed(0)
    moved = shifted(x, 0.125)[:, 0, 0]
    shifts = set()
    for row in moved:
        shift = int(row[8]) - 8
        shifts.add(shift)
        torch.testing.assert_close(row, (torch.arange(16.0) + shift).clamp(0, 15))
    assert shifts == {-2, -1, 0, 1, 2}


def test_labels_follow_the_classes() -> None:
    """A head that knows the answer has no loss: class k of each image has label k."""
    seed_torch(0)
    backbone = Backbone("squeezenet1_1", "features.3", RANDOM, trainable=True)
    adversary = CutPasteAdversary(CutPasteConfig(**SMALL), backbone, 128, CPU)

    class Answers(torch.nn.Module):
        def forward(self, features: torch.Tensor) -> torch.Tensor:
            return 50 * torch.eye(3).repeat(len(features) // 3, 1) + 0 * features.sum()

    adversary.head = Answers()  # type: ignore[assignment]
    row = adversary.step(torch.zeros(4, 3, 32, 32, 3, dtype=torch.uint8), 0)
    assert row["loss_c"].item() == pytest.approx(0, abs=1e-6)
    assert row["accuracy"].item() == 1


def test_learning_rate_follows_half_a_cosine() -> None:
    adversary = CutPasteAdversary(
        CutPasteConfig(**SMALL | {"epochs": 4}),
        Backbone("squeezenet1_1", "features.3", RANDOM, trainable=True),
        128,
        CPU,
    )
    rates = []
    for epoch in (1, 3, 4):
        adversary.begin_epoch(epoch)
        rates.append(adversary.sgd.param_groups[0]["lr"])
    assert rates == pytest.approx([0.03, 0.015, 0.03 * (1 - 2**-0.5) / 2])


def test_score_is_the_squared_mahalanobis_distance() -> None:
    class Means(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x.float().mean((1, 2))

    density = Whitening(3)
    density.mean.copy_(torch.tensor([10.0, 0.0, 0.0]))
    density.matrix.copy_(torch.diag(torch.tensor([0.5, 1.0, 2.0])))  # standard deviations 2, 1, 0.5
    image = torch.zeros(1, 4, 4, 3, dtype=torch.uint8)
    image[..., 0], image[..., 1], image[..., 2] = 14, 3, 1
    assert CutPasteScorer(Means(), density)(image).tolist() == pytest.approx([2.0**2 + 3**2 + 2**2])  # type: ignore[arg-type]


def test_the_density_is_that_of_the_kept_weights() -> None:
    """Of the untouched training images in eval mode: their mean is the density's."""
    detector, x = make(), images(20, 0)
    detector.fit(TrainingData(x, Recipe(horizontal_flip=True)), RunOptions(0, "cpu"))
    module = detector.module
    assert isinstance(module, CutPasteScorer)
    torch.testing.assert_close(module.density.mean, features(module.backbone, x, CPU).mean(0), rtol=1e-4, atol=1e-5)
    assert detector.score(x).mean() < 128  # shrinkage aside, as many as dimensions


def test_seeds_begin_apart() -> None:
    starts = []
    for seed in (0, 0, 1):
        backbone = Backbone("squeezenet1_1", "features.3", RANDOM)
        seed_torch(seed)
        initialise(backbone)
        starts.append(next(backbone.parameters()).flatten().tolist())
    assert starts[0] == starts[1] != starts[2]


def test_starts_from_a_weights_file(tmp_path) -> None:  # type: ignore[no-untyped-def]
    network = Backbone("squeezenet1_1", "features.3", RANDOM).network
    network.requires_grad_(False)
    for parameter in network.parameters():
        parameter.fill_(0.125)
    torch.save(network.state_dict(), tmp_path / "start.pth")
    detector = make(backbone_weights=tmp_path / "start.pth", lr=1e-9, epochs=1)
    detector.fit(TrainingData(images(8, 0)), RunOptions(0, "cpu"))
    weight = detector.tensors()["backbone.network.features.0.weight"]
    np.testing.assert_allclose(weight, 0.125, atol=1e-4)
    with pytest.raises(InputError, match=r"not-there\.pth"):
        make(backbone_weights=tmp_path / "not-there.pth").fit(TrainingData(images(8, 0)), RunOptions(0, "cpu"))


def test_broken_bands_score_higher() -> None:
    """A resnet with batch norm learns to see breaks in the bands, which its training never held as such."""
    detector = make(backbone="resnet18", layer="layer1", epochs=10, batch_size=16, variant="normal")
    detector.fit(TrainingData(images(48, 0)), RunOptions(0, "cpu"))
    good, broken = images(24, 1), images(24, 2)
    broken[:, 8:20, 6:20] = 120
    scores = detector.score(np.concatenate([good, broken]))
    assert image_auroc(np.repeat([0, 1], 24), scores) > 0.95
