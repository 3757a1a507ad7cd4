"""VisA, BTAD, MVTec-LOCO and the two Kolektor sets, in miniature."""

import shutil

import pytest
from counted import counts

from algan_ad.data.layouts import open_dataset
from algan_ad.data.masks import draw_all
from algan_ad.data.splits import split
from algan_ad.runtime.errors import InputError

ROWS = "object,split,label,image,mask"


@pytest.fixture
def visa(tmp_path, paint, stain):
    """Six normal and two anomalous candles, as published."""
    root = tmp_path / "candle"
    for i in range(6):
        paint(root / f"Data/Images/Normal/{i:04}.JPG", i)
    for i in range(2):
        paint(root / f"Data/Images/Anomaly/{i:03}.JPG", 10 + i)
        stain(root / f"Data/Masks/Anomaly/{i:03}.png", value=3)
    return root


def with_split(root, *rows):
    """The table beside the objects: the first four normal images train."""
    every = [f"candle,{'train' if i < 4 else 'test'},normal,candle/Data/Images/Normal/{i:04}.JPG," for i in range(6)]
    bad = [f"candle,test,anomaly,candle/Data/Images/Anomaly/{i:03}.JPG,candle/Data/Masks/Anomaly/{i:03}.png"
           for i in range(2)]  # fmt: skip
    table = root.parent / "split_csv" / "1cls.csv"
    table.parent.mkdir()
    table.write_text("\n".join([ROWS, *every, *bad, "pcb1,train,normal,pcb1/Data/Images/Normal/0.JPG,", *rows]))
    return table


def test_visa_is_divided_by_its_table(visa):
    with_split(visa)
    dataset = open_dataset(visa)
    assert (dataset.layout, dataset.name, dataset.test_apart) == ("visa", "candle", True)
    assert counts(dataset) == {"train": {"good": 4}, "calibration": {}, "test": {"anomalous": 2, "good": 2}}
    assert draw_all(dataset.test[-1].masks, dataset.test[-1].path).sum() == 6
    assert open_dataset(visa.parent, category="candle") == dataset


def test_visa_without_its_table_is_divided_like_a_flat_folder(visa):
    dataset = open_dataset(visa)
    assert (counts(dataset)["train"], counts(dataset)["test"]) == ({"good": 6}, {"anomalous": 2})
    assert not dataset.test_apart
    assert all(item.masks for item in dataset.test)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("candle,test,odd,candle/Data/Images/Normal/0000.JPG,", "row 10: split 'test', label 'odd'"),
        ("candle,test,normal,candle/Data/Images/Normal/77.JPG,", "row 10: Data/Images/Normal/77.JPG: no such file"),
    ],
)
def test_mistakes_in_visas_table(visa, row, message):
    with_split(visa, row)
    with pytest.raises(InputError, match=message):
        open_dataset(visa)


def test_visa_with_a_table_that_knows_no_such_object(visa):
    with_split(visa)
    with pytest.raises(InputError, match="no row of the object 'candles'"):
        open_dataset(shutil.move(visa, visa.with_name("candles")))


def test_a_folder_of_several_visa_objects(visa):
    with pytest.raises(InputError, match=r"holds several parts; give the folder of one of them, as .*candle"):
        open_dataset(visa.parent)


def test_btad(tmp_path, paint, stain):
    for i in range(4):
        paint(tmp_path / f"01/train/ok/{i:04}.bmp", i)
    paint(tmp_path / "01/test/ok/0000.bmp", 5)
    paint(tmp_path / "01/test/ko/0000.bmp", 6)
    stain(tmp_path / "01/ground_truth/ko/0000.png")
    dataset = open_dataset(tmp_path / "01")
    assert (dataset.layout, dataset.test_apart, dataset.warnings) == ("btad", True, ())
    assert counts(dataset) == {"train": {"good": 4}, "calibration": {}, "test": {"good": 1, "ko": 1}}
    assert [item.mask_files for item in dataset.test if item.label] == [(tmp_path / "01/ground_truth/ko/0000.png",)]


@pytest.fixture
def loco(tmp_path, paint, stain):
    """Six images to train on, three for validation, two good ones and one of each kind to test; one has two masks."""
    for part, n in (("train/good", 6), ("validation/good", 3), ("test/good", 2)):
        for i in range(n):
            paint(tmp_path / part / f"{i:03}.png", 100 * len(part) + i)
    for kind in ("logical_anomalies", "structural_anomalies"):
        paint(tmp_path / "test" / kind / "000.png", len(kind))
        stain(tmp_path / "ground_truth" / kind / "000/000.png", (0, 0, 2, 2))
    stain(tmp_path / "ground_truth/logical_anomalies/000/001.png", (4, 4, 6, 8), 254)
    return tmp_path


def test_loco_joins_the_masks_of_an_image(loco):
    dataset = open_dataset(loco)
    assert (dataset.layout, dataset.warnings) == ("mvtec-loco", ())
    assert counts(dataset)["test"] == {"good": 2, "logical_anomalies": 1, "structural_anomalies": 1}
    sizes = {item.defect: draw_all(item.masks, item.path).sum() for item in dataset.test if item.label}
    assert sizes == {"logical_anomalies": 4 + 8, "structural_anomalies": 4}


def test_locos_validation_calibrates(loco):
    dataset = open_dataset(loco)
    parts = split(dataset)
    assert (len(parts.train), parts.calibration, len(parts.test)) == (6, dataset.calibration, 4)
    validation = split(dataset, "thesis").validation
    assert {item.path for item in dataset.calibration} < {item.path for item in validation}
    with pytest.raises(InputError, match=r"calibration_fraction=0.3: .* itself sets apart the images that calibrate"):
        split(dataset, calibration_fraction=0.3)


def test_masks_of_no_image_are_counted(loco, stain):
    stain(loco / "ground_truth/logical_anomalies/777/000.png")
    (warning,) = open_dataset(loco).warnings
    assert warning.startswith("1 masks match no image")


@pytest.fixture
def kolektor(tmp_path, paint, stain):
    """Twelve commutators of four images; those of every third one have a defect on their first image."""
    for part in range(12):
        for i in range(4):
            paint(tmp_path / f"kos{part:02}/Part{i}.jpg", 10 * part + i)
            stain(tmp_path / f"kos{part:02}/Part{i}_label.bmp", (1, 1, 3, 3) if part % 3 == 0 and i == 0 else None)
    return tmp_path


def test_a_kolektor_mask_that_marks_something_makes_an_image_anomalous(kolektor):
    dataset = open_dataset(kolektor)
    assert dataset.layout == "kolektor-sdd"
    assert counts(dataset) == {"train": {"good": 44}, "calibration": {}, "test": {"anomalous": 4}}
    assert {item.path.name for item in dataset.test} == {"Part0.jpg"}
    assert {item.group for item in dataset.items} == {f"kos{part:02}" for part in range(12)}


def test_a_kolektor_image_without_a_readable_mask_has_no_label(kolektor):
    (kolektor / "kos00/Part0_label.bmp").write_bytes(b"no image")
    (kolektor / "kos01/Part0_label.bmp").unlink()
    dataset = open_dataset(kolektor)
    assert len(dataset.items) == 46
    (warning,) = dataset.warnings
    assert warning.startswith("2 images are left out")


def test_kolektor_sdd2(tmp_path, paint, stain):
    for part, n, bad in (("train", 5, 1), ("test", 4, 2)):
        for i in range(n):
            paint(tmp_path / f"{part}/{part}{i}.png", i)
            stain(tmp_path / f"{part}/{part}{i}_GT.png", (1, 1, 3, 3) if i < bad else None)
    dataset = open_dataset(tmp_path)
    assert (dataset.layout, dataset.test_apart) == ("kolektor-sdd2", True)
    assert counts(dataset) == {"train": {"good": 4}, "calibration": {}, "test": {"anomalous": 2, "good": 2}}
    (warning,) = dataset.warnings
    assert warning.startswith("1 anomalous images are left out because they lie outside of the test")
    assert "train0.png" in warning
