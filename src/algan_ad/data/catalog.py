"""The datasets of the thesis (section 5.2): contents, terms, addresses and recipes."""

from typing import Literal

from algan_ad.data.recipe import Recipe
from algan_ad.runtime.schema import Schema

Layout = Literal[
    "mvtec",
    "flat",
    "mtd",
    "coil-100",
    "visa",
    "btad",
    "mvtec-loco",
    "kolektor-sdd",
    "kolektor-sdd2",
    "list",
    "coco",
    "yolo",
]


class Counts(Schema):
    """Published number of images. `train` is 0 where the publisher does not set training images apart."""

    train: int
    normal: int
    anomalous: int


class Category(Schema):
    """One kind of part, learnt on its own."""

    kind: Literal["texture", "object"]
    counts: Counts
    recipe: Recipe


class Source(Schema):
    """A public address. Without a published `sha256` the checksum of the first download is kept."""

    url: str
    sha256: str | None = None


class Entry(Schema):
    """A dataset of the catalogue; a dataset of a single category names that category after itself."""

    title: str
    layout: Layout
    terms: str
    citation: str
    homepage: str
    source: Source | None
    instructions: str
    categories: dict[str, Category]


def _texture(train: int, normal: int, anomalous: int, recipe: Recipe) -> Category:
    return Category(kind="texture", counts=Counts(train=train, normal=normal, anomalous=anomalous), recipe=recipe)


def _object(train: int, normal: int, anomalous: int, recipe: Recipe) -> Category:
    return Category(
        kind="object",
        counts=Counts(train=train, normal=normal, anomalous=anomalous),
        recipe=recipe.model_copy(update={"centre_crop": True}),
    )


_PLAIN = Recipe()
_FLIP = Recipe(horizontal_flip=True)
_FLIPS = Recipe(horizontal_flip=True, vertical_flip=True)
_ROTATION = Recipe(rotation_degrees=180.0)  # the thesis gives no range: the whole circle
_ALL = Recipe(horizontal_flip=True, vertical_flip=True, rotation_degrees=180.0)

MVTEC_CATEGORIES = {  # counts: Table 5.1 (train normal, test normal, test anomalous); recipes: section 5.2.5
    "carpet": _texture(280, 28, 89, _FLIPS),
    "grid": _texture(264, 21, 57, _FLIPS),
    "leather": _texture(245, 32, 92, _FLIPS),
    "tile": _texture(230, 33, 84, _FLIPS),
    "wood": _texture(247, 19, 60, _FLIP),
    "bottle": _object(209, 20, 63, _ALL),
    "cable": _object(224, 58, 92, _PLAIN),
    "capsule": _object(219, 23, 109, _PLAIN),
    "hazelnut": _object(391, 40, 70, _ALL),
    "metal_nut": _object(220, 22, 93, _ROTATION),
    "pill": _object(267, 26, 141, _PLAIN),
    "screw": _object(320, 41, 119, _ROTATION),
    "toothbrush": _object(60, 12, 30, Recipe(horizontal_flip=True, grayscale=True)),
    "transistor": _object(213, 60, 40, _FLIP),
    "zipper": _object(240, 32, 119, _FLIP),
}

DATASETS: dict[str, Entry] = {
    "mvtec-ad": Entry(
        title="MVTec Anomaly Detection dataset",
        layout="mvtec",
        terms="CC BY-NC-SA 4.0: no commercial use",
        citation=(
            "P. Bergmann, M. Fauser, D. Sattlegger, C. Steger. MVTec AD: A Comprehensive Real-World Dataset "
            "for Unsupervised Anomaly Detection. CVPR 2019."
        ),
        homepage="https://www.mvtec.com/company/research/datasets/mvtec-ad",
        source=None,
        instructions=(
            "MVTec asks for a registration before the download. Open the homepage, accept the terms, fetch "
            "'mvtec_anomaly_detection.tar.xz' (about 5 GB) and unpack it, so that FOLDER/bottle/train/good "
            "and its fourteen sister categories exist; then give the folder of one category."
        ),
        categories=MVTEC_CATEGORIES,
    ),
    "mtd": Entry(
        title="Magnetic Tile Defects",
        layout="mtd",
        terms="free to use, the authors ask for a citation; no licence is stated",
        citation=("Y. Huang, C. Qiu, K. Yuan. Surface defect saliency of magnetic tile. The Visual Computer 36, 2020."),
        homepage="https://github.com/abin24/Magnetic-tile-defect-datasets.",
        source=Source(url="https://github.com/abin24/Magnetic-tile-defect-datasets./archive/refs/heads/master.zip"),
        instructions=(
            "Fetch the repository as a zip file from the homepage and unpack it, so that FOLDER/MT_Free, "
            "FOLDER/MT_Crack and the other MT_ folders exist; then give FOLDER."
        ),
        categories={"mtd": _texture(0, 952, 392, _FLIP)},
    ),
    "coil-100": Entry(
        title="Columbia Object Image Library (COIL-100)",
        layout="coil-100",
        terms="for research only",
        citation=(
            "S. A. Nene, S. K. Nayar, H. Murase. Columbia Object Image Library (COIL-100). "
            "Technical Report CUCS-006-96, Columbia University, 1996."
        ),
        homepage="https://www.cs.columbia.edu/CAVE/software/softlib/coil-100.php",
        source=Source(
            url="http://www.cs.columbia.edu/CAVE/databases/SLAM_coil-20_coil-100/coil-100/coil-100.zip",
            # as recorded by TensorFlow Datasets (url_checksums/coil100.txt)
            sha256="fcb4b8b01c0778f416d8d7a09f45082c4f7075cc74743dcddd5c44307bd4afe7",
        ),
        instructions=(
            "Fetch coil-100.zip from the homepage and unpack it, so that FOLDER/obj1__0.png and the other "
            "views lie in one folder; then give FOLDER."
        ),
        categories={  # ten of the hundred objects are normal: 720 views
            "coil-100": Category(kind="object", counts=Counts(train=0, normal=720, anomalous=6480), recipe=_FLIP),
        },
    ),
}
