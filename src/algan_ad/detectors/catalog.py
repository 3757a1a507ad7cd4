"""The catalogue of methods, a row each: the input and the outputs of a method, without importing it."""

import ast
from functools import cached_property
from importlib import resources
from typing import Literal

from algan_ad.runtime.schema import Schema

Family = Literal["ALGAN", "GAN on images", "pseudo-anomalies", "pre-trained features", "traditional"]
Input = Literal["image", "vector"]


class Method(Schema):
    """One row. `home` is "module:class" in this folder.

    Attributes:
        input: kind of samples that it takes under the default settings.
        maps: "own" for anomaly maps of its own, "attribution" for an attribution of the score to the pixels; None for
            vectors.
        epochs: True for a method that is trained epoch by epoch and can be resumed, False for one that is fitted once.
        backbone: True for a method that can look at images through a pre-trained network.
        exports: True for a method that a network of ONNX can be made of; the class of any other holds the reason.
    """

    name: str
    home: str
    family: Family
    input: Input
    maps: Literal["own", "attribution"] | None
    epochs: bool = False
    backbone: bool = False
    exports: bool = True

    @property
    def returns(self) -> tuple[str, ...]:
        """Names of the outputs: score, then map or attribution if there is one."""
        return ("score", *({"own": ("map",), "attribution": ("attribution",), None: ()}[self.maps]))

    @cached_property
    def summary(self) -> str:
        """The first sentence of the method's module."""
        source = resources.files(__package__).joinpath(f"{self.home.partition(':')[0]}.py").read_text("utf-8")
        first = (ast.get_docstring(ast.parse(source)) or "").split("\n\n")[0]
        return first.replace("\n", " ").rstrip(".")


def _row(name: str, home: str, family: Family, takes: Input, maps: Literal["own", "attribution"] | None = None,
         *, epochs: bool = False, backbone: bool = False, exports: bool = True) -> Method:  # fmt: skip
    return Method(
        name=name, home=home, family=family, input=takes, maps=maps, epochs=epochs, backbone=backbone, exports=exports
    )


GAN: Family = "GAN on images"
PSEUDO: Family = "pseudo-anomalies"
FEATURES: Family = "pre-trained features"
CLASSIC: Family = "traditional"

CATALOG: tuple[Method, ...] = (
    _row("algan-image", "algan_image:AlganImage", "ALGAN", "image", "attribution", epochs=True),
    _row("algan-feature", "algan_feature:AlganFeature", "ALGAN", "image", "attribution", epochs=True, backbone=True),
    _row("algan-patch", "algan_patch:AlganPatch", "ALGAN", "image", "own", epochs=True, backbone=True),
    _row("algan-wavelet", "algan_wavelet:AlganWavelet", "ALGAN", "image", "own", epochs=True, exports=False),
    _row("algan-vector", "algan_vector:AlganVector", "ALGAN", "vector", epochs=True),
    _row("alocc", "alocc:Alocc", GAN, "image", "own", epochs=True),
    _row("anogan", "anogan:AnoGan", GAN, "image", "own", epochs=True, exports=False),
    _row("egbad", "egbad:Egbad", GAN, "image", "own", epochs=True),
    _row("ganomaly", "ganomaly:Ganomaly", GAN, "image", "own", epochs=True),
    _row("skip-ganomaly", "skip_ganomaly:SkipGanomaly", GAN, "image", "own", epochs=True),
    _row("ganomaly-vector", "ganomaly_vector:GanomalyVector", FEATURES, "vector", epochs=True, backbone=True),
    _row("g2d", "g2d:G2D", PSEUDO, "image", "attribution", epochs=True),
    _row("history", "history:History", PSEUDO, "image", "attribution", epochs=True),
    _row("ognet", "ognet:OGNet", PSEUDO, "image", "own", epochs=True),
    _row("differnet", "differnet:DifferNet", FEATURES, "image", "attribution", epochs=True, backbone=True),
    _row("mahalanobis-ad", "mahalanobis_ad:MahalanobisAD", FEATURES, "image", "attribution", backbone=True),
    _row("padim", "padim:Padim", FEATURES, "image", "own", backbone=True),
    _row("patchcore", "patchcore:PatchCore", FEATURES, "image", "own", backbone=True),
    _row("spade", "spade:Spade", FEATURES, "image", "own", backbone=True),
    _row("gmm", "gmm:Gmm", CLASSIC, "vector", backbone=True, exports=False),
    _row("isolation-forest", "isolation_forest:IsolationForest", CLASSIC, "vector", backbone=True, exports=False),
    _row("kde", "kde:Kde", CLASSIC, "vector", backbone=True, exports=False),
    _row("kmeans", "kmeans:Kmeans", CLASSIC, "vector", backbone=True, exports=False),
    _row("knn", "knn:Knn", CLASSIC, "vector", backbone=True, exports=False),
    _row("lof", "lof:Lof", CLASSIC, "vector", backbone=True, exports=False),
    _row("mahalanobis", "mahalanobis:Mahalanobis", CLASSIC, "vector", backbone=True, exports=False),
    _row("ocsvm", "ocsvm:Ocsvm", CLASSIC, "vector", backbone=True, exports=False),
    _row("cutpaste", "cutpaste:CutPaste", PSEUDO, "image", "attribution", epochs=True, backbone=True),
)
