import numpy as np
import pytest
import torch
from holed import fitted, images, peaks_in_the_hole
from tiny import TINY

from algan_ad.detectors.padim import Padim, PadimConfig, PadimScorer, by_position, embedding
from algan_ad.detectors.shared.contract import RunOptions, TrainingData
from algan_ad.features.backbones import RANDOM, PyramidBackbone
from algan_ad.features.maps import anomaly_map, concatenated
from algan_ad.runtime.errors import InputError


def test_score_is_the_maximum_of_the_map_of_mahalanobis_distances() -> None:
    detector, x = fitted("padim"), images(2, 9)
    module = detector.module
    assert isinstance(module, PadimScorer)
    train, test = (
        by_position(embedding(module.backbone, torch.from_numpy(part), module.columns)).double().numpy()
        for part in (images(16, 0), x)
    )
    distances = np.empty((len(train), 2))
    for position, (normal, odd) in enumerate(zip(train, test, strict=True)):
        inverse = np.linalg.inv(np.cov(normal.T) + 0.01 * np.eye(normal.shape[1]))
        deviation = odd - normal.mean(0)
        distances[position] = np.sqrt(np.einsum("ni,ij,nj->n", deviation, inverse, deviation))
    side = int(len(distances) ** 0.5)
    expected = anomaly_map(torch.from_numpy(distances.T.reshape(2, side, side)).float(), (32, 32), "bicubic")
    np.testing.assert_allclose(np.stack(detector.score_and_maps(x)[1]), expected, rtol=1e-3)
    np.testing.assert_allclose(detector.score(x), expected.amax((1, 2)), rtol=1e-3)


@pytest.mark.parametrize("kept", [[0, 63, 64, 200], [1, 5], [70, 300]])
def test_features_left_out_early_are_those_left_out_late(kept: list[int]) -> None:
    """Of squeezenet's 128 and 256: some of both levels, or of one alone, on the grid of the finest all the same."""
    backbone = PyramidBackbone("squeezenet1_1", ["features.3", "features.6"], RANDOM)
    x = torch.from_numpy(images(2, 0))
    assert torch.equal(embedding(backbone, x, kept), concatenated(backbone(x), "nearest")[:, kept])


def test_holed_images_score_higher_and_show_where() -> None:
    detector = fitted("padim", n=40)
    assert detector.score(images(8, 1)).max() < detector.score(images(8, 2, hole=True)).min()
    assert peaks_in_the_hole(detector)


def test_dims_are_the_papers_and_drawn_by_the_seed() -> None:
    paper = PadimConfig(backbone="wide_resnet50_2", layers=("layer1", "layer2"))
    assert Padim(PadimConfig(), "cpu").choices("normal-only") == {"dims": 100, "layers": ("blocks.2", "blocks.4")}
    assert Padim(PadimConfig(backbone="resnet18"), "cpu").choices("normal-only")["dims"] == 100
    assert Padim(paper, "cpu").choices("normal-only") == {"dims": 550}
    assert Padim(PadimConfig(dims=7), "cpu").choices("normal-only") == {"layers": ("blocks.2", "blocks.4")}
    kept = []
    for seed in (0, 1):
        detector = Padim(PadimConfig(**TINY["padim"]), "cpu")
        detector.fit(TrainingData(images(4, 0)), RunOptions(seed, "cpu"))
        kept.append(detector.tensors()["kept"])
    assert [len(set(each)) for each in kept] == [20, 20]
    assert not np.array_equal(*kept)


def test_more_dims_than_features_are_refused() -> None:
    with pytest.raises(InputError, match=r"dims=500: the layers of squeezenet1_1 have 384 features"):
        fitted("padim", dims=500)


def test_one_image_has_no_covariance() -> None:
    with pytest.raises(InputError, match=r"1 training image: .* needs two or more"):
        fitted("padim", n=1)
