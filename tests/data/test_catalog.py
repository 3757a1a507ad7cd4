import subprocess
import sys

import pytest

from algan_ad.data.catalog import DATASETS, MVTEC_CATEGORIES
from algan_ad.data.recipe import Recipe
from algan_ad.runtime.errors import InputError
from algan_ad.runtime.images import Preprocessing


def test_counts_add_up_to_table_5_1():
    counts = [category.counts for category in MVTEC_CATEGORIES.values()]
    assert len(counts) == 15
    assert sum(c.train for c in counts) == 3629
    assert sum(c.normal for c in counts) == 467
    assert sum(c.anomalous for c in counts) == 1258


def where(**wanted: object) -> set[str]:
    recipes = {name: category.recipe for name, category in MVTEC_CATEGORIES.items()}
    return {n for n, r in recipes.items() if all(getattr(r, key) == value for key, value in wanted.items())}


def test_recipes_are_those_of_section_5_2_5():
    textures = {"carpet", "grid", "leather", "tile", "wood"}
    assert {n for n, category in MVTEC_CATEGORIES.items() if category.kind == "texture"} == textures
    assert where(centre_crop=False) == textures
    assert where(vertical_flip=True) == textures - {"wood"} | {"bottle", "hazelnut"}
    assert where(horizontal_flip=True) == textures | {
        "bottle",
        "hazelnut",
        "toothbrush",
        "transistor",
        "zipper",
    }
    assert where(rotation_degrees=180.0) == {"bottle", "hazelnut", "metal_nut", "screw"}
    assert where(grayscale=True) == {"toothbrush"}
    plain = {n for n, category in MVTEC_CATEGORIES.items() if not category.recipe.augments}
    assert plain == {"cable", "capsule", "pill"}
    for name in ("mtd", "coil-100"):
        assert DATASETS[name].categories[name].recipe == Recipe(horizontal_flip=True)


def test_preprocessing_for_pixels_and_for_features():
    crop = Recipe(centre_crop=True)
    assert crop.for_images(256) == Preprocessing(size=256, resize=None)
    assert crop.for_features(224) == Preprocessing(size=224, resize=256)
    assert crop.for_features(112) == Preprocessing(size=112, resize=128)
    assert Recipe(grayscale=True).for_features() == Preprocessing(size=224, resize=None, grayscale=True)


def test_recipe_bounds():
    with pytest.raises(InputError, match="rotation_degrees"):
        Recipe(rotation_degrees=181)
    with pytest.raises(InputError, match="flips"):
        Recipe(flips=True)


def test_reading_data_needs_no_torch():
    modules = ("catalog", "layouts", "splits", "overlap", "cache", "fingerprint", "check", "demo")
    code = "import sys; " + "; ".join(f"import algan_ad.data.{name}" for name in modules)
    code += "; import algan_ad.runtime.vectors, algan_ad.runtime.bulk, algan_ad.runtime.sessions"
    code += "; sys.exit(any(name in sys.modules for name in ('torch', 'kornia', 'pandas', 'sklearn')))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
