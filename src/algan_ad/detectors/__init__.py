"""One file per method, one contract (`base.Detector`). Adding a method is one file and one row here."""

from algan_ad.detectors.algan_feature import AlganFeature
from algan_ad.detectors.algan_image import AlganImage
from algan_ad.detectors.algan_vector import AlganVector
from algan_ad.detectors.base import Detector
from algan_ad.detectors.ganomaly import Ganomaly
from algan_ad.detectors.ganomaly_vector import GanomalyVector
from algan_ad.detectors.skip_ganomaly import SkipGanomaly

METHODS: dict[str, type[Detector]] = {
    "algan-image": AlganImage,
    "algan-feature": AlganFeature,
    "algan-vector": AlganVector,
    "ganomaly": Ganomaly,
    "skip-ganomaly": SkipGanomaly,
    "ganomaly-vector": GanomalyVector,
}
