import os
from pathlib import Path

import pytest

from algan_ad.data.layouts import open_dataset
from algan_ad.data.recipe import Recipe
from algan_ad.runtime.errors import InputError


def touch(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return root


def names(items) -> list[str]:
    return [item.path.name for item in items]


def test_mvtec(mvtec):
    dataset = open_dataset(mvtec)
    assert (dataset.layout, dataset.name, dataset.warnings) == ("mvtec", "plate", ())
    assert len(dataset.train) == 10
    assert {item.label for item in dataset.train} == {0}
    kinds = [(item.defect, item.label) for item in dataset.test]
    assert {kind: kinds.count(kind) for kind in kinds} == {("good", 0): 4, ("hole", 1): 2, ("scratch", 1): 6}
    for item in dataset.test:
        expected = mvtec / "ground_truth" / "scratch" / f"{item.path.stem}_mask.png"
        assert item.mask_files == ((expected,) if item.defect == "scratch" else ())


def test_mask_may_have_the_name_of_its_image(tmp_path):
    touch(tmp_path, "train/good/a.png", "test/cut/b.JPG", "ground_truth/cut/b.png")
    assert open_dataset(tmp_path).test[0].mask_files == (tmp_path / "ground_truth/cut/b.png",)


def test_training_images_alone_are_enough(tmp_path):
    dataset = open_dataset(touch(tmp_path, "train/good/a.png", "train/good/b.png"))
    assert len(dataset.train) == 2
    assert dataset.test == ()


def test_masks_without_image_are_counted(mvtec):
    touch(mvtec, "ground_truth/scratch/999_mask.png", "ground_truth/vanished/000_mask.png")
    (warning,) = open_dataset(mvtec).warnings
    assert warning.startswith("2 masks match no image")
    assert "999_mask.png" in warning


def test_defects_inside_train_are_refused_by_name(mvtec):
    touch(mvtec, "train/bent/000.png")
    with pytest.raises(InputError, match=r"bent: a folder of anomalous images inside train.*test.bent"):
        open_dataset(mvtec)


def test_train_without_good(tmp_path):
    with pytest.raises(InputError, match=r"good: no such folder"):
        open_dataset(touch(tmp_path, "train/a.png"))


def test_train_good_without_images(tmp_path):
    with pytest.raises(InputError, match=r"good: no images found"):
        open_dataset(touch(tmp_path, "train/good/notes.txt", "test/cut/a.png"))


def test_images_in_unexpected_places_are_counted(mvtec):
    touch(mvtec, "train/stray.png", "test/stray.png")
    (warning,) = open_dataset(mvtec).warnings
    assert warning.startswith("2 images are ignored")


def test_flat_folder(tmp_path):
    dataset = open_dataset(touch(tmp_path, "b.png", "a.JPEG", "c.tiff", "notes.txt", ".hidden.png"))
    assert dataset.layout == "flat"
    assert names(dataset.train) == ["a.JPEG", "b.png", "c.tiff"]
    assert dataset.recipe == Recipe()


def test_flat_folder_ignores_sub_folders_aloud(tmp_path):
    dataset = open_dataset(touch(tmp_path, "a.png", "scratch/b.png"))
    assert names(dataset.train) == ["a.png"]
    assert "1 images are ignored" in dataset.warnings[0]
    assert "'good'" in dataset.warnings[0]


def test_good_and_kinds_of_bad(tmp_path):
    touch(tmp_path, "good/a.png", "good/b.png", "scratch/c.png", "hole/d.png", "ground_truth/hole/d_mask.png")
    dataset = open_dataset(tmp_path)
    assert names(dataset.train) == ["a.png", "b.png"]
    assert [(item.defect, item.label, bool(item.masks)) for item in dataset.test] == [
        ("hole", 1, True),
        ("scratch", 1, False),
    ]
    assert dataset.warnings == ()


def test_images_beside_good_are_ignored_aloud(tmp_path):
    dataset = open_dataset(touch(tmp_path, "good/a.png", "b.png"))
    assert names(dataset.train) == ["a.png"]
    assert "lie beside 'good'" in dataset.warnings[0]


@pytest.mark.parametrize("inner", ["", "Imgs/"])
def test_mtd_as_published_or_flattened(tmp_path, inner):
    touch(tmp_path, f"MT_Free/{inner}a.jpg", f"MT_Free/{inner}a.png", f"MT_Crack/{inner}b.jpg")
    touch(tmp_path, f"MT_Crack/{inner}b.png", f"MT_Crack/{inner}lost.png", "README.md")
    dataset = open_dataset(tmp_path)
    assert (dataset.layout, dataset.name) == ("mtd", "mtd")
    assert [(item.path.name, item.label, item.masks) for item in dataset.train] == [("a.jpg", 0, ())]
    (crack,) = dataset.test
    assert (crack.defect, crack.label, crack.mask_files) == ("crack", 1, (tmp_path / f"MT_Crack/{inner}b.png",))
    assert dataset.recipe == Recipe(horizontal_flip=True)
    assert dataset.warnings[0].startswith("1 masks match no image")
    assert dataset.warnings[1] == "2 images found, 1344 published"


def test_coil_is_listed_by_number(tmp_path):
    dataset = open_dataset(touch(tmp_path, "obj10__0.png", "obj9__100.png", "obj9__5.png", "convert.pl"))
    assert dataset.layout == "coil-100"
    assert names(dataset.test) == ["obj9__5.png", "obj9__100.png", "obj10__0.png"]
    assert dataset.train == ()
    assert {item.defect for item in dataset.test} == {"obj9", "obj10"}


def test_one_other_image_makes_it_a_plain_folder(tmp_path):
    assert open_dataset(touch(tmp_path, "obj1__0.png", "part.png")).layout == "flat"


@pytest.mark.parametrize(
    "stray",
    ["notes.json", "teile.csv", "good/1_label.png", "labels/1.txt"],
)
def test_other_files_do_not_change_the_layout(tmp_path, stray):
    root = touch(tmp_path, "good/1.png", "good/2.png", "scratch/3.png", stray)
    (root / "notes.json").write_text('{"exposure": NaN}')
    (root / "teile.csv").write_bytes("Größe;Datum\n1;2\n".encode("cp1252"))
    assert open_dataset(root).layout == "flat"


def test_spaces_and_unicode(tmp_path):
    root = touch(tmp_path / "größe 4 ✓" / "teile neu", "good/ä b.png", "kratzer tief/ü.png")
    dataset = open_dataset(str(root))
    assert names(dataset.train) == ["ä b.png"]
    assert dataset.test[0].defect == "kratzer tief"


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ([], "the folder holds no images"),
        (["notes.txt"], "the folder holds no images"),
        (["bad/a.png"], "no sub-folder 'good' or 'train' among bad"),
        (["good/notes.txt", "bad/a.png"], r"good: no images found"),
        (["MT_Free/a.txt"], "no images found"),
    ],
)
def test_nothing_to_learn_from(tmp_path, files, message):
    with pytest.raises(InputError, match=message) as caught:
        open_dataset(touch(tmp_path, *files))
    assert str(tmp_path) in str(caught.value)


def test_no_such_folder_and_a_file(tmp_path):
    with pytest.raises(InputError, match="does not exist"):
        open_dataset(tmp_path / "none")
    with pytest.raises(InputError, match="is a file"):
        open_dataset(touch(tmp_path, "a.png") / "a.png")


def test_unreadable_folder(tmp_path, monkeypatch):
    def refuse(folder):
        raise PermissionError(13, "Permission denied", str(folder))

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(InputError, match=r"cannot be read \(Permission denied\)"):
        open_dataset(tmp_path)


def test_several_parts_need_a_category(tmp_path):
    touch(tmp_path, "bolt/train/good/a.png", "nut/train/good/b.png")
    with pytest.raises(InputError, match=r"give the folder of one of them.*of bolt, nut"):
        open_dataset(tmp_path)
    assert open_dataset(tmp_path, category="nut").name == "nut"
    assert open_dataset(tmp_path / "nut", category="nut").name == "nut"
    with pytest.raises(InputError, match="no category 'screw'; its sub-folders are: bolt, nut"):
        open_dataset(tmp_path, category="screw")


def test_a_name_of_the_catalogue_brings_the_recipe(tmp_path):
    touch(tmp_path, "toothbrush/train/good/a.png", "wheel/train/good/a.png")
    dataset = open_dataset(tmp_path, name="mvtec-ad", category="toothbrush")
    assert dataset.recipe == Recipe(horizontal_flip=True, grayscale=True, centre_crop=True)
    with pytest.raises(InputError, match="not the MVTec Anomaly Detection dataset"):
        open_dataset(tmp_path, name="mvtec-ad", category="wheel")
    with pytest.raises(InputError, match="not the Magnetic Tile Defects"):
        open_dataset(tmp_path / "wheel", name="mtd")


def test_mvtec_is_recognised_by_folder_and_count(tmp_path):
    root = touch(tmp_path / "toothbrush", *(f"train/good/{i:03}.png" for i in range(60)))
    assert open_dataset(root).recipe.grayscale
    (root / "train" / "good" / "000.png").unlink()
    assert open_dataset(root).recipe == Recipe()


@pytest.mark.shared
def test_real_mtd(shared):
    dataset = open_dataset(shared / "mtd")
    assert (len(dataset.train), len(dataset.test), dataset.warnings) == (952, 392, ())
    counts = {kind: sum(item.defect == kind for item in dataset.test) for kind in ("blowhole", "fray", "uneven")}
    assert counts == {"blowhole": 115, "fray": 32, "uneven": 103}
    assert all(item.masks for item in dataset.test)


@pytest.mark.shared
def test_real_coil(shared):
    dataset = open_dataset(shared / "coil100")
    assert dataset.layout == "coil-100"
    assert len({item.defect for item in dataset.test}) == 99
