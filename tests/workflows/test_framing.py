"""Oblong and large pictures, and regions of interest, from the files to the score and the map."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from algan_ad.data.recipe import Recipe
from algan_ad.detectors import METHODS
from algan_ad.runtime.bulk import predict_files
from algan_ad.runtime.errors import InputError
from algan_ad.runtime.images import Preprocessing, load
from algan_ad.runtime.placement import Size
from algan_ad.workflows.evaluate import evaluate
from algan_ad.workflows.framing import fit_of, frame, levels_of
from algan_ad.workflows.load import load_model
from algan_ad.workflows.model import Model
from algan_ad.workflows.options import DataOptions
from algan_ad.workflows.overlays import OverlayFolder
from algan_ad.workflows.train import train

PATCH = {
    "image_size": 64, "backbone": "squeezenet1_1", "layers": ("features.3", "features.6"), "backbone_weights": "random",
    "epochs": 1, "batch_size": 8, "hidden": 8, "z_dim": 4, "prototypes": 20,
}  # fmt: skip
PYRAMID = {name: PATCH[name] for name in ("image_size", "backbone", "layers", "backbone_weights")}
POSITIONS = {"algan-patch": PATCH, "patchcore": PYRAMID, "padim": {**PYRAMID, "dims": 20}}


def framed(
    sizes: list[Size], method: str = "algan-patch", recipe: Recipe | None = None, **options: Any
) -> Preprocessing:
    settings = PATCH if method == "algan-patch" else {}
    detector = METHODS[method](METHODS[method].Config(**settings), "cpu")
    return frame(detector, recipe or Recipe(), DataOptions(**options), sizes)


def picture(seed: int, size: Size) -> np.ndarray:
    return np.random.default_rng(seed).integers(100, 150, (size[1], size[0], 3), dtype=np.uint8)


def folder(path: Path, size: Size, n: int = 12) -> Path:
    """Good pictures, and bad ones with a dark spot and its mask."""
    for i in range(n):
        save(path / "train/good" / f"{i}.png", picture(i, size))
    for i in range(4):
        save(path / "test/good" / f"{i}.png", picture(100 + i, size))
        spoilt, mask = picture(200 + i, size), np.zeros(size[::-1], np.uint8)
        place = (slice(size[1] // 2, size[1] // 2 + 20), slice(size[0] - 40, size[0] - 20))
        spoilt[place], mask[place] = 0, 255
        save(path / "test/spot" / f"{i}.png", spoilt)
        save(path / "ground_truth/spot" / f"{i}_mask.png", mask)
    return path


def save(path: Path, pixels: np.ndarray) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)
    return path


class TestWhatFollowsFromThePictures:
    def test_the_canvas_has_their_proportions_and_the_area_of_the_square(self) -> None:
        found = framed([(640, 480)] * 20)
        assert found.canvas == (72, 56)
        assert (found.fit, found.marks, fit_of(found)) == ("stretch", False, "proportions")

    @pytest.mark.parametrize(
        ("sizes", "method"),
        [
            ([(640, 640)] * 9, "algan-patch"),
            ([(640, 600)] * 9, "algan-patch"),
            ([(640, 480), (480, 640), (500, 500)], "algan-patch"),  # of all kinds
            ([], "algan-patch"),  # not one can be read
            ([(640, 480)] * 9, "patchcore"),
            ([(640, 480)] * 9, "algan-image"),
        ],
    )
    def test_otherwise_a_square_as_in_the_thesis(self, sizes: list[Size], method: str) -> None:
        found = framed(sizes, method)
        assert found == Preprocessing(size=found.size)
        assert fit_of(found) == "stretch"

    def test_a_recipe_that_cuts_the_centre_out_stays_as_it_is(self) -> None:
        found = framed([(640, 480)] * 9, recipe=Recipe(centre_crop=True))
        assert (found.resize, found.canvas) == (73, None)

    def test_very_long_pictures_do_not_become_a_line(self) -> None:
        assert framed([(10_000, 10)]).canvas == (184, 32)

    def test_the_user_may_ask_otherwise(self) -> None:
        assert framed([(640, 480)], fit="stretch").canvas is None
        assert framed([(640, 480)], fit="letterbox").marks
        assert framed([(640, 480)], "algan-image", fit="letterbox").shape == (256, 256, 3)
        with pytest.raises(InputError, match="algan-image takes squares"):
            framed([(640, 480)], "algan-image", fit="proportions")


def test_draft_is_recorded_and_holds_for_prediction(tmp_path: Path) -> None:
    for i in range(12):
        (tmp_path / "parts").mkdir(exist_ok=True)
        Image.fromarray(picture(i, (400, 400))).save(tmp_path / f"parts/{i}.jpg")
    models = [
        train(tmp_path / "parts", "algan-image", out, config={"image_size": 32, "width": 4, "epochs": 1}, draft=draft)
        for draft, out in ((False, None), (True, tmp_path / "model"))
    ]
    read = load_model(tmp_path / "model")
    assert read.config.preprocessing is not None
    assert read.config.preprocessing.draft
    assert read.config.plan["draft"].model_dump(include={"value", "origin"}) == {"value": True, "origin": "user"}
    paths = sorted((tmp_path / "parts").iterdir())
    np.testing.assert_array_equal(read.samples(paths), models[1].samples(paths))
    assert (read.samples(paths) != models[0].samples(paths)).any()
    with pytest.raises(InputError, match="draft is for images"):
        train(np.zeros((40, 3)), "algan-vector", draft=True)


def test_nothing_is_distorted_from_the_file_to_the_picture_of_the_map(tmp_path: Path) -> None:
    data = folder(tmp_path / "parts", (160, 80))
    model = train(data, "algan-patch", tmp_path / "model", config=PATCH)
    entry = model.config.plan["fit"]
    assert (entry.value, entry.origin, bool(entry.reason)) == ("proportions", "derived", True)
    path = data / "test/spot/0.png"
    (found,) = load_model(tmp_path / "model").predict(path, maps=True)
    assert found.anomaly_map is not None
    assert found.anomaly_map.shape == (48, 88)
    row, column = np.unravel_index(found.anomaly_map.argmax(), (48, 88))
    assert 40 / 80 < row / 48 < 60 / 80
    assert 120 / 160 < column / 88 < 140 / 160
    list(predict_files(model, [path], overlays=OverlayFolder(tmp_path / "maps")))
    with Image.open(tmp_path / "maps/0.png") as drawn:
        assert drawn.size == (88, 48)
    pixels = evaluate(model, data).pixel_auroc
    assert pixels is not None
    assert pixels > 0.9


@pytest.mark.parametrize("method", list(POSITIONS))
def test_padding_does_not_count_and_is_not_shown(tmp_path: Path, method: str) -> None:
    """Pictures of the usual proportions are not padded; this one is, and half of its canvas is no picture."""
    model = train(folder(tmp_path / "parts", (100, 100)), method, config=POSITIONS[method], fit="letterbox")
    wide = save(tmp_path / "wide.png", picture(7, (160, 80)))
    assert model.config.preprocessing is not None
    assert model.config.preprocessing.canvas == (64, 64)
    (found,) = model.predict(wide, maps=True)
    (whole,) = model.predictions(model.samples(wide), [None], maps=True)
    assert found.anomaly_map is not None
    assert whole.anomaly_map is not None
    np.testing.assert_array_equal(found.anomaly_map, whole.anomaly_map[16:48])
    assert (whole.anomaly_map[:16] == whole.anomaly_map.min()).all()
    assert (whole.anomaly_map[48:] == whole.anomaly_map.min()).all()


@pytest.mark.parametrize("method", [*POSITIONS, "spade"])
def test_nothing_outside_the_region_of_interest_changes_a_bit(tmp_path: Path, method: str) -> None:
    data = folder(tmp_path / "parts", (96, 64))
    settings = POSITIONS.get(method, {**PYRAMID, "layer": "features.6", "neighbours": 3})
    train(data, method, tmp_path / "model", config=settings, roi="0,0 0.5,0 0.5,1 0,1")
    with Image.open(tmp_path / "model/region.png") as region:
        assert region.convert("L").resize((2, 1), Image.Resampling.BOX).tobytes() == b"\xff\x00"
    model = load_model(tmp_path / "model")
    clean = picture(300, (96, 64))
    outside, inside = clean.copy(), clean.copy()
    outside[:, 50:], inside[20:40, 10:30] = 0, 0
    good, same, bad = model.predict(
        [save(tmp_path / f"{i}.png", p) for i, p in enumerate((clean, outside, inside))], True
    )
    assert same.score == good.score
    assert bad.score > good.score
    np.testing.assert_array_equal(same.anomaly_map, good.anomaly_map)
    heat = bad.anomaly_map
    assert heat is not None
    assert np.unravel_index(heat.argmax(), heat.shape)[1] < heat.shape[1] / 2
    if method in POSITIONS:
        assert (heat[:, heat.shape[1] // 2 + 1 :] == heat.min()).all()


def test_a_region_that_cannot_be_used_ends_the_training_before_it_begins(tmp_path: Path) -> None:
    data, mask = folder(tmp_path / "parts", (96, 64), 6), save(tmp_path / "mask.png", np.zeros((50, 50), np.uint8))
    with pytest.raises(InputError, match="50 x 50 pixels are not the proportions of the pictures, 96 x 64"):
        train(data, "algan-patch", config=PATCH, roi=str(mask))


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Large pictures."""
    return folder(tmp_path_factory.mktemp("large") / "parts", (600, 400), 5)


@pytest.fixture(scope="module")
def model(data: Path) -> Model:
    return train(data, "algan-patch", config=PATCH, tiles="auto")


class TestTiles:
    def test_as_many_as_the_size_of_the_pictures_asks_for(self, model: Model) -> None:
        found = model.config.preprocessing
        assert found is not None
        assert found.canvas == (176, 117)
        assert len(found.corners) == 3 * 2
        assert framed([(250, 200)], tiles="auto").corners == ((0, 0),)
        assert framed([(250, 200)] * 9, tiles="auto") == framed([(250, 200)] * 9)

    def test_pictures_are_counted_not_tiles(self, model: Model) -> None:
        assert model.config.training["n_train"] == 4
        assert model.config.calibration is not None
        assert len(model.config.calibration.scores) == 1

    def test_a_spot_is_found_in_its_tile_and_in_the_stitched_map(self, model: Model, data: Path) -> None:
        good, bad = model.predict([data / "test/good/0.png", data / "test/spot/0.png"], maps=True)
        assert bad.score > good.score
        assert bad.anomaly_map is not None
        assert bad.anomaly_map.shape == (117, 176)
        row, column = np.unravel_index(bad.anomaly_map.argmax(), (117, 176))
        assert 195 / 400 < row / 117 < 225 / 400
        assert 555 / 600 < column / 176 < 585 / 600

    def test_any_method_can_take_them(self, data: Path) -> None:
        config = {"image_size": 32, "width": 4, "z_dim": 8, "epochs": 1, "batch_size": 4}
        model = train(data, "algan-image", config=config, tiles=2)
        assert model.predict(data / "test/spot/0.png", maps=True)[0].anomaly_map.shape == (40, 60)  # type: ignore[union-attr]

    def test_labels_of_pictures_are_none_of_tiles(self, data: Path) -> None:
        with pytest.raises(InputError, match="protocol='thesis' selects by labels"):
            train(data, "algan-patch", config=PATCH, tiles=2, protocol="thesis")


class TestSixteenBits:
    @pytest.fixture
    def deep(self, tmp_path: Path) -> list[Path]:
        """Grey pictures of a camera of 12 bits, with a pixel that is stuck."""
        paths = []
        for i in range(12):
            values = np.random.default_rng(i).integers(400, 3000, (40, 40)).astype(np.uint16)
            values[3, 3] = 65535
            paths.append(save(tmp_path / "deep" / f"{i}.png", values))
        return paths

    def test_the_range_of_the_good_pictures_decides(self, deep: list[Path]) -> None:
        low, high = levels_of(deep) or (0, 0)
        assert 0 <= low < 400
        assert 3000 < high < 4095
        pixels = load(deep[0], Preprocessing(size=40, levels=(low, high)))
        assert pixels.std() > 30
        assert load(deep[0], Preprocessing(size=40)).std() < 12  # black, but for the stuck pixel

    def test_eight_bits_are_as_they_are(self, tmp_path: Path) -> None:
        path = save(tmp_path / "grey.png", np.arange(64, dtype=np.uint8).reshape(8, 8))
        assert levels_of([path]) is None
        np.testing.assert_array_equal(
            load(path, Preprocessing(size=8, levels=(10, 20))), load(path, Preprocessing(size=8))
        )

    def test_one_grey_has_levels_too(self, tmp_path: Path) -> None:
        paths = [save(tmp_path / f"{i}.png", np.full((9, 9), 7, np.uint16)) for i in range(3)]
        assert levels_of(paths) == (6, 8)

    def test_a_model_keeps_them(self, deep: list[Path], tmp_path: Path) -> None:
        train(deep[0].parent, "algan-patch", tmp_path / "model", config=PATCH)
        model = load_model(tmp_path / "model")
        assert model.config.preprocessing is not None
        levels = model.config.preprocessing.levels
        assert levels is not None
        assert 3000 < levels[1] < 4095
        entry = model.config.plan["levels"]
        assert (entry.value, entry.origin, bool(entry.reason)) == (list(levels), "derived", True)

    @pytest.mark.parametrize("levels", [(5, 5), (-1, 9), (0, 70_000)])
    def test_levels_must_rise(self, levels: tuple[int, int]) -> None:
        with pytest.raises(InputError, match="must rise"):
            framed([(9, 9)], levels=levels)
