"""One small model of images and one of vectors, trained from Python. Tests leave them as they are."""

from pathlib import Path

import pytest

from algan_ad.detectors.algan_image import AlganImageConfig
from algan_ad.detectors.algan_vector import AlganVectorConfig
from algan_ad.workflows.model import Model
from algan_ad.workflows.train import train

TINY_IMAGE = AlganImageConfig(image_size=32, width=4, epochs=2, batch_size=8)
TINY_VECTOR = AlganVectorConfig(hidden=16, z_dim=4, epochs=2, batch_size=8)


@pytest.fixture(scope="session")
def tiny_image() -> AlganImageConfig:
    return TINY_IMAGE


@pytest.fixture(scope="session")
def tiny_vector() -> AlganVectorConfig:
    return TINY_VECTOR


@pytest.fixture(scope="session")
def image_model(pristine_parts: Path) -> Model:
    return train(pristine_parts, "algan-image", config=TINY_IMAGE, false_alarm_rate=0.2)


@pytest.fixture(scope="session")
def vector_model(table: Path) -> Model:
    return train(table, "algan-vector", config=TINY_VECTOR, false_alarm_rate=0.2)
