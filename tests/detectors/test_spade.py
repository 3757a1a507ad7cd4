import numpy as np
import pytest
import torch
from holed import fitted, images, peaks_in_the_hole

from algan_ad.detectors.spade import SpadeConfig, as_rows
from algan_ad.features.backbones import RANDOM, Backbone, PyramidBackbone
from algan_ad.features.maps import anomaly_map, concatenated
from algan_ad.runtime.errors import InputError


def test_score_is_the_mean_distance_to_the_nearest_images() -> None:
    detector, x = fitted("spade"), images(3, 9)
    backbone = Backbone("squeezenet1_1", "features.6", RANDOM)
    train, test = backbone(torch.from_numpy(images(16, 0))), backbone(torch.from_numpy(x))
    expected = torch.cdist(test.double(), train.double()).sort(1).values[:, :5].mean(1)
    np.testing.assert_allclose(detector.score(x), expected, rtol=1e-3)


def test_a_position_is_compared_with_all_positions_of_the_nearest_images() -> None:
    detector, x = fitted("spade"), images(1, 9)
    pyramid = PyramidBackbone("squeezenet1_1", ["features.3", "features.6"], RANDOM)
    levels, gallery = pyramid(torch.from_numpy(x)), pyramid(torch.from_numpy(images(16, 0)))
    deep = torch.cdist(levels[1].mean((2, 3)), gallery[1].mean((2, 3)))[0]
    rows = deep.argsort()[:5]
    queries = as_rows(concatenated(levels, "bilinear"))
    kept = as_rows(concatenated([level[rows] for level in gallery], "bilinear"))
    side = levels[0].shape[2]
    expected = anomaly_map(torch.cdist(queries, kept).amin(1).reshape(1, side, side), (32, 32))
    np.testing.assert_allclose(detector.score_and_maps(x)[1], expected, rtol=1e-3)


def test_a_map_does_not_depend_on_the_images_beside_it() -> None:
    detector, x = fitted("spade"), images(5, 4)
    together = np.stack(detector.score_and_maps(x)[1])
    alone = np.stack([detector.score_and_maps(x[i : i + 1])[1][0] for i in range(5)])
    np.testing.assert_allclose(together, alone, rtol=1e-4, atol=1e-5)


def test_holed_images_score_higher_and_show_where() -> None:
    detector = fitted("spade")
    assert detector.score(images(8, 1)).max() < detector.score(images(8, 2, hole=True)).min()
    assert peaks_in_the_hole(detector)


def test_fewer_images_than_neighbours() -> None:
    assert SpadeConfig().neighbours == 50
    x = images(2, 9)
    np.testing.assert_array_equal(
        fitted("spade", n=4, neighbours=50).score(x), fitted("spade", n=4, neighbours=4).score(x)
    )


def test_an_unknown_layer_is_told_by_either_option() -> None:
    with pytest.raises(InputError, match="layers or layer nowhere: not in squeezenet1_1"):
        fitted("spade", layer="nowhere")
