"""What marks a defect, drawn at full size."""

import numpy as np
import pytest
from PIL import Image

from algan_ad.data.masks import MaskFile, Polygon, Runs, draw_all
from algan_ad.runtime.errors import InputError


@pytest.fixture
def image(tmp_path):
    Image.new("RGB", (40, 30)).save(tmp_path / "a.png")
    return tmp_path / "a.png"


def polygon(*corners, size=(40, 30)):
    return Polygon(tuple((x / size[0], y / size[1]) for x, y in corners))


@pytest.mark.parametrize("shift", [0, 0.2, 0.4, -0.3])
def test_a_box_marks_the_pixels_whose_centre_it_holds(image, shift):
    mask = polygon(*((x + shift, y + shift) for x, y in [(5, 7), (12, 7), (12, 9), (5, 9)])).draw(image)
    assert mask.sum() == mask[7:9, 5:12].sum() == 14


def test_a_slanted_polygon_keeps_its_area(image):
    corners = np.array([(3.3, 2.1), (37.2, 8.4), (30.9, 27.7), (12.2, 22.3)])
    x, y = corners.T
    area = abs(np.dot(x, np.roll(y, 1)) - np.dot(y, np.roll(x, 1))) / 2
    assert polygon(*corners).draw(image).sum() == pytest.approx(area, rel=0.03)


def test_a_line_and_a_point_are_not_lost(image):
    assert polygon((3, 10), (30, 10), (3, 10)).draw(image).sum() >= 27
    assert polygon((5.4, 5.4), (5.4, 5.4), (5.4, 5.4)).draw(image).sum() >= 1


def test_what_lies_outside_is_cut_off(image):
    mask = polygon((-10, -10), (4, -10), (4, 3), (-10, 3)).draw(image)
    assert mask.sum() == mask[:3, :4].sum() == 12
    assert polygon((60, 60), (70, 60), (70, 70)).draw(image).shape == (30, 40)


def test_polygons_follow_the_orientation_of_the_image(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # a quarter turn
    Image.new("RGB", (40, 30)).save(tmp_path / "a.jpg", exif=exif)
    assert polygon((0, 0), (5, 0), (5, 5), (0, 5), size=(30, 40)).draw(tmp_path / "a.jpg").shape == (40, 30)


def test_several_sources_are_joined(image):
    runs = Runs((0, 30, 39 * 30), 30, 40)
    mask = draw_all([runs, polygon((10, 0), (12, 0), (12, 30), (10, 30))], image)
    assert mask.sum(0).tolist() == [30] + [0] * 9 + [30] * 2 + [0] * 28


def test_masks_of_several_sizes_are_refused(image, tmp_path):
    Image.new("L", (20, 15), 255).save(tmp_path / "mask.png")
    with pytest.raises(InputError, match=r"a.png: its masks are of several sizes \(20 x 15, 40 x 30\)"):
        draw_all([MaskFile(tmp_path / "mask.png"), Runs((1200,), 30, 40)], image)


def test_an_unreadable_image_has_no_size(tmp_path):
    (tmp_path / "a.png").write_bytes(b"no image")
    with pytest.raises(InputError, match=r"a.png: not a readable image"):
        polygon((0, 0), (1, 0), (1, 1)).draw(tmp_path / "a.png")


@pytest.mark.parametrize(("values", "marked"), [([0, 1, 7, 9], [0, 1, 1, 1]), ([0, 200, 0x7FFF, 0xFFFF], [0, 0, 0, 1])])
def test_a_mask_of_16_bits_holds_classes_or_black_and_white(tmp_path, values, marked):
    Image.fromarray(np.array([values], np.uint16)).save(tmp_path / "mask.png")
    found = MaskFile(tmp_path / "mask.png").draw(tmp_path / "unused.png")
    np.testing.assert_array_equal(found, [np.array(marked, bool)])
