import numpy as np
import pytest
import torch
from holed import fitted, images
from sklearn.covariance import LedoitWolf
from torchvision import models

from algan_ad.detectors.mahalanobis_ad import MahalanobisAD, MahalanobisADConfig
from algan_ad.detectors.shared.contract import RunOptions, TrainingData
from algan_ad.features.backbones import RANDOM, Backbone, make_network
from algan_ad.features.packaged import LITE0
from algan_ad.runtime.errors import InputError


def test_score_is_the_sum_of_the_distances_of_the_levels() -> None:
    detector, x = fitted("mahalanobis-ad"), images(5, 9)
    expected = np.zeros(5)
    for layer in ("features.3", "features.6"):
        backbone = Backbone("squeezenet1_1", layer, RANDOM)
        train, test = (backbone(torch.from_numpy(part)).double().numpy() for part in (images(16, 0), x))
        expected += np.sqrt(LedoitWolf().fit(train).mahalanobis(test))  # scikit-learn's are squared
    np.testing.assert_allclose(detector.score(x), expected, rtol=1e-3)


def test_holed_images_score_higher() -> None:
    detector = fitted("mahalanobis-ad")
    assert detector.score(images(8, 1)).max() < detector.score(images(8, 2, hole=True)).min()


def test_all_levels_are_taken_of_the_packaged_network_and_of_the_papers() -> None:
    network, papers = MahalanobisADConfig(), MahalanobisADConfig(backbone="efficientnet_b4")
    assert network.backbone == LITE0
    assert network.taken == tuple(each["module"] for each in make_network(LITE0, pretrained=False).feature_info)
    assert (
        papers.taken == tuple(name for name, _ in models.efficientnet_b4().named_modules() if name.count(".") == 1)[:9]
    )


def test_one_image_has_no_covariance() -> None:
    detector = MahalanobisAD(MahalanobisADConfig(backbone_weights=RANDOM), "cpu")
    with pytest.raises(InputError, match=r"1 training image: .* needs two or more"):
        detector.fit(TrainingData(images(1, 0)), RunOptions(0, "cpu"))
