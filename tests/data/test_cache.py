import gc

import numpy as np
import pytest

from algan_ad.data import cache
from algan_ad.data.cache import DecodedImages
from algan_ad.runtime.errors import AlganError, InputError
from algan_ad.runtime.images import Preprocessing, load

SMALL = Preprocessing(size=5)


@pytest.fixture
def paths(tmp_path, paint):
    good = [paint(tmp_path / f"{i}.png", i) for i in range(7)]
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"no image")
    return [*good[:3], broken, *good[3:]]


@pytest.fixture(params=["memory", "disk"])
def images(request, paths, tmp_path, monkeypatch):
    monkeypatch.setattr(cache, "CHUNK_BYTES", 2 * 5 * 5 * 3)
    return DecodedImages(paths, SMALL, budget_bytes=0 if request.param == "disk" else 10**6, folder=tmp_path)


def test_pixels_are_those_of_the_one_decode_path(images, paths):
    assert len(images) == 7
    assert images.kept == [0, 1, 2, 4, 5, 6, 7]
    everything = images[:]
    assert everything.shape == (7, 5, 5, 3)
    assert everything.dtype == np.uint8
    for position, pixels in zip(images.kept, everything, strict=True):
        np.testing.assert_array_equal(pixels, load(paths[position], SMALL))


def test_broken_files_are_listed(images, paths):
    (skipped,) = images.skipped
    assert skipped.path == paths[3]
    assert "broken.png" in skipped.reason


@pytest.mark.parametrize("index", [[6, 0, 0], np.array([2, 1]), slice(1, 3)])
def test_any_index_gives_a_copy(images, index):
    batch = images[index]
    np.testing.assert_array_equal(batch, images[:][index])
    assert type(batch) is np.ndarray
    batch[:] = 0  # neither refused nor written back
    assert images[index].any()


def test_the_budget_decides(paths, tmp_path):
    """Images are kept in memory within the budget, and in a file beyond it."""
    folder = tmp_path / "scratch space"
    folder.mkdir()
    for missing_bytes, n_entries in ((0, 0), (1, 1)):
        images = DecodedImages(paths, SMALL, budget_bytes=8 * 75 - missing_bytes, folder=folder)
        assert len(list(folder.iterdir())) == n_entries
        assert len(images)


def test_the_temporary_file_goes_with_the_object(paths, tmp_path):
    folder = tmp_path / "scratch space"
    folder.mkdir()
    images = DecodedImages(paths, SMALL, budget_bytes=0, folder=folder)
    assert list(folder.iterdir())
    del images
    gc.collect()
    assert not list(folder.iterdir())


@pytest.mark.parametrize("budget", [0, 10**6])
def test_nothing_readable(paths, budget):
    with pytest.raises(InputError, match=r"none of 1 images can be read; the first: .*broken.png"):
        DecodedImages([paths[3]], SMALL, budget_bytes=budget)
    with pytest.raises(InputError, match="no files were given"):
        DecodedImages([], SMALL, budget_bytes=budget)


def test_full_disk_is_told(paths, tmp_path, monkeypatch):
    class Full:
        def __enter__(self):
            return self

        def __exit__(self, *_):
            return None

        def write(self, _):
            raise OSError(28, "No space left on device")

    monkeypatch.setattr("pathlib.Path.open", lambda *_, **__: Full())
    with pytest.raises(AlganError, match="the disk is full"):
        DecodedImages(paths, SMALL, budget_bytes=0, folder=tmp_path)
