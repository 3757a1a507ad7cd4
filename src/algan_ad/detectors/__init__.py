"""One file per method, one contract (`shared.contract.Detector`). Adding a method is one file and one row here."""

from algan_ad.detectors.algan_feature import AlganFeature
from algan_ad.detectors.algan_image import AlganImage
from algan_ad.detectors.algan_vector import AlganVector
from algan_ad.detectors.alocc import Alocc
from algan_ad.detectors.anogan import AnoGan
from algan_ad.detectors.cutpaste import CutPaste
from algan_ad.detectors.differnet import DifferNet
from algan_ad.detectors.egbad import Egbad
from algan_ad.detectors.g2d import G2D
from algan_ad.detectors.ganomaly import Ganomaly
from algan_ad.detectors.ganomaly_vector import GanomalyVector
from algan_ad.detectors.gmm import Gmm
from algan_ad.detectors.history import History
from algan_ad.detectors.isolation_forest import IsolationForest
from algan_ad.detectors.kde import Kde
from algan_ad.detectors.kmeans import Kmeans
from algan_ad.detectors.knn import Knn
from algan_ad.detectors.lof import Lof
from algan_ad.detectors.mahalanobis import Mahalanobis
from algan_ad.detectors.mahalanobis_ad import MahalanobisAD
from algan_ad.detectors.ocsvm import Ocsvm
from algan_ad.detectors.ognet import OGNet
from algan_ad.detectors.padim import Padim
from algan_ad.detectors.patchcore import PatchCore
from algan_ad.detectors.shared.contract import Detector
from algan_ad.detectors.skip_ganomaly import SkipGanomaly
from algan_ad.detectors.spade import Spade

METHODS: dict[str, type[Detector]] = {
    "algan-image": AlganImage,
    "algan-feature": AlganFeature,
    "algan-vector": AlganVector,
    "alocc": Alocc,
    "anogan": AnoGan,
    "egbad": Egbad,
    "ganomaly": Ganomaly,
    "skip-ganomaly": SkipGanomaly,
    "ganomaly-vector": GanomalyVector,
    "g2d": G2D,
    "history": History,
    "ognet": OGNet,
    "differnet": DifferNet,
    "mahalanobis-ad": MahalanobisAD,
    "padim": Padim,
    "patchcore": PatchCore,
    "spade": Spade,
    "gmm": Gmm,
    "isolation-forest": IsolationForest,
    "kde": Kde,
    "kmeans": Kmeans,
    "knn": Knn,
    "lof": Lof,
    "mahalanobis": Mahalanobis,
    "ocsvm": Ocsvm,
    "cutpaste": CutPaste,
}
