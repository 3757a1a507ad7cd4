"""Pictures of every kind of source: their names and order, and what is refused."""

import bz2
import gzip
import io
import os
import stat
import tarfile
import tracemalloc
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from algan_ad.runtime import archives
from algan_ad.runtime.errors import InputError, MissingExtra
from algan_ad.runtime.images import decode
from algan_ad.runtime.sources import count, files, pictures


def png(value: int) -> bytes:
    buffer = io.BytesIO()
    Image.new("L", (4, 3), value).save(buffer, "png")
    return buffer.getvalue()


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Images 0 to 3 in a folder and one below it, which is the current one."""
    monkeypatch.chdir(tmp_path)
    for i, name in enumerate(("parts/0.png", "parts/1 [x].png", "parts/inner/2.PNG", "parts/inner/.3.png")):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(png(i))
    return tmp_path


def greys(sources: Sequence[str | Path]) -> list[int | str]:
    """The grey value of each picture, or the reason why there is none."""
    found: list[int | str] = []
    for each in pictures(sources):
        try:
            content = each.read()
            found.append(int((content if isinstance(content, np.ndarray) else decode(content))[0, 0, 0]))
        except InputError as error:
            found.append(str(error))
    return found


@pytest.mark.usefixtures("tree")
class TestFiles:
    @pytest.mark.parametrize(
        ("sources", "names"),
        [
            (["parts"], ["parts/0.png", "parts/1 [x].png", "parts/inner/2.PNG"]),
            (["parts/1 [x].png"], ["parts/1 [x].png"]),
            (["parts/*.png"], ["parts/0.png", "parts/1 [x].png"]),
            (["parts/**/2.*", "parts/0.png"], ["parts/inner/2.PNG", "parts/0.png"]),
            (["part?"], ["parts/0.png", "parts/1 [x].png", "parts/inner/2.PNG"]),
        ],
    )
    def test_names_order_and_number(self, sources: list[str], names: list[str]) -> None:
        found = list(pictures(sources))
        assert [each.name for each in found] == names
        assert [each.file for each in found] == list(map(Path, names)) == list(files(sources))
        assert count(sources) == len(names)

    def test_a_list_names_what_lies_beside_it(self, tree: Path) -> None:
        text = f"0.png\n\n inner \n{tree}/parts/1 [x].png\nmissing.png\nlist.txt\n"
        (tree / "parts/list.txt").write_text(text)
        *found, missing, itself = greys(["parts/list.txt"])
        assert found == [0, 2, 1]
        assert "parts/missing.png: cannot be read as an image (No such file" in str(missing)
        assert "parts/list.txt: not an image" in str(itself)
        assert count(["parts/list.txt"]) == 5
        assert next(iter(files(["parts/list.txt"]))) == Path("parts/list.txt")
        places = [each.place.as_posix() for each in pictures(["parts/list.txt"])]
        assert places == ["0.png", "inner/2.PNG", "1 [x].png", "missing.png", "list.txt"]

    @pytest.mark.parametrize("source", ["missing.png", "parts/*.gif", "missing/"])
    def test_what_is_not_there(self, source: str) -> None:
        with pytest.raises(InputError, match="cannot be read"):
            count(["parts", source])

    def test_no_image(self, tree: Path) -> None:
        (tree / "empty.txt").write_text("\n")
        (tree / "empty").mkdir()
        with pytest.raises(InputError, match=r"empty\.txt, empty: no images found"):
            count(["empty.txt", "empty"])


def zipped(path: Path, contents: dict[str, bytes], kind: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", kind) as archive:
        for name, content in contents.items():
            archive.writestr(name, content)
    return path


def taped(path: Path, contents: dict[str, bytes]) -> Path:
    mode = {"tar": "w", "gz": "w:gz", "tgz": "w:gz", "bz2": "w:bz2", "xz": "w:xz"}[path.name.rsplit(".", 1)[1]]
    with tarfile.open(path, mode) as archive:  # type: ignore[call-overload]
        for name, content in contents.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return path


def packed(path: Path, contents: dict[str, bytes]) -> Path:
    return (zipped if path.suffix == ".zip" else taped)(path, contents)


NAMES = ["a.zip", "a.tar", "a.tar.gz", "a.tgz", "a.tar.bz2", "a.tar.xz"]


@pytest.mark.parametrize("name", NAMES)
class TestArchives:
    def test_pictures_in_their_order_and_nothing_else(self, tmp_path: Path, name: str) -> None:
        contents = {
            "b/2.png": png(2),
            "./1.png": png(1),
            "readme.txt": b"text",
            ".0.png": png(0),
            "__MACOSX/0.png": b"",
        }
        path = packed(tmp_path / name, contents)
        found = list(pictures([path]))
        assert [each.name for each in found] == [f"{path}#b/2.png", f"{path}#./1.png"]
        assert [each.place.as_posix() for each in found] == ["b/2.png", "1.png"]
        assert greys([path]) == [2, 1]
        assert [each.place.parts[0] for each in pictures([path, path])] == [name] * 4
        assert [path.name for path in tmp_path.iterdir()] == [name]  # nothing is unpacked beside it

    def test_pictures_that_are_not_read_are_passed_over(self, tmp_path: Path, name: str) -> None:
        path = packed(tmp_path / name, {f"{i}.png": png(i) for i in range(9)})
        last = None
        for last in pictures([path]):
            if last.name.endswith("8.png"):
                content = last.read()
        assert last is not None
        assert isinstance(content, bytes)
        assert decode(content)[0, 0, 0] == 8

    def test_names_that_lead_out_are_refused(self, tmp_path: Path, name: str) -> None:
        bad = ["../x.png", "a/../../x.png", "/etc/x.png", "C:/x.png", "C:x.png", "..\\x.png", "\\\\host\\x.png"]
        path = packed(tmp_path / name, {**dict.fromkeys(bad, png(0)), "a..b/x.png": png(7)})
        *refused, good = greys([path])
        assert [": a name that leads out of the archive" in str(each) for each in refused] == [True] * len(bad)
        assert good == 7
        assert all(".." not in each.place.parts and not each.place.is_absolute() for each in pictures([path]))

    def test_damage_is_a_picture_that_cannot_be_read(self, tmp_path: Path, name: str) -> None:
        noise = np.random.default_rng(0).bytes(9000)
        path = packed(tmp_path / name, {"0.png": png(0), "1.png": noise, "2.png": noise})
        whole = path.read_bytes()
        for end in (0, 1, len(whole) // 2):
            path.write_bytes(whole[:end])
            found = greys([path])
            assert any(isinstance(each, str) and str(path) in each for each in found), end
        path.write_bytes(b"no archive" * 99)
        assert "not a whole archive" in str(greys([path])[-1])

    def test_what_unfolds_too_far_is_refused(self, tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(archives, "FREE_BYTES", 2**16)
        monkeypatch.setattr(archives, "MAX_RATIO", 20)
        path = packed(tmp_path / name, {"0.bin": bytes(2**22), "1.png": png(1)})
        tracemalloc.start()
        found = greys([path])
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        if name == "a.tar":
            assert found == [1]  # it is as large as what it holds
        else:
            assert "unfolds to more than" in str(found[-1])
            assert peak < 2**22 or name.endswith("xz")  # whose reader unfolds what one block of the disk holds

    def test_a_member_larger_than_any_picture(self, tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(archives, "MAX_MEMBER_BYTES", 100)
        path = packed(tmp_path / name, {"0.png": png(0) + bytes(101), "1.png": png(1)})
        too_large, good = greys([path])
        assert "0.png: " in str(too_large)
        assert "more than a picture has" in str(too_large)
        assert good == 1


def test_links_and_devices_in_archives_are_refused(tmp_path: Path) -> None:
    secret = tmp_path / "secret.png"
    secret.write_bytes(png(9))
    with tarfile.open(tmp_path / "a.tar", "w") as tape:
        for i, kind in enumerate((tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE)):
            entry = tarfile.TarInfo(f"{i}.png")
            entry.type, entry.linkname = kind, str(secret)
            tape.addfile(entry)
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        link = zipfile.ZipInfo("0.png")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(link, str(secret))
    for name, n in (("a.tar", 4), ("a.zip", 1)):
        assert [": a link or a device" in str(each) for each in greys([tmp_path / name])] == [True] * n


def test_an_encrypted_member_is_skipped(tmp_path: Path) -> None:
    path = zipped(tmp_path / "a.zip", {"0.png": png(0), "1.png": png(1)}, zipfile.ZIP_STORED)
    data = bytearray(path.read_bytes())
    for mark, place in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.find(mark) + place] |= 1
    path.write_bytes(data)
    locked, good = greys([path])
    assert "0.png: cannot be unpacked" in str(locked)
    assert good == 1


def test_tapes_are_not_remembered(tmp_path: Path) -> None:
    """Memory does not grow with the pictures that went by."""
    path = taped(tmp_path / "a.tar", {f"{i}.png": b"x" for i in range(4000)})
    seen = []
    tracemalloc.start()
    for i, _ in enumerate(pictures([path])):
        if i % 1000 == 999:
            seen.append(tracemalloc.get_traced_memory()[0])
    tracemalloc.stop()
    assert seen[-1] < seen[0] + 100_000


@pytest.fixture
def clip(tmp_path: Path) -> Callable[[str], Path]:
    cv2 = pytest.importorskip("cv2")

    def make(name: str) -> Path:
        path = tmp_path / name
        writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), 10, (32, 16))
        for i in range(5):
            writer.write(np.full((16, 32, 3), (0, 0, 40 * i), np.uint8))  # blue, green, red
        writer.release()
        return path

    return make


class TestVideos:
    @pytest.mark.parametrize("name", ["clip.avi", "clip ä.MKV"])
    def test_frames_in_colour_and_in_order(self, clip: Callable[[str], Path], name: str) -> None:
        path = clip(name)
        found = list(pictures([path]))
        assert [each.name for each in found] == [f"{path}#{k}" for k in range(5)]
        assert [each.place.as_posix() for each in found] == [f"{name}/{k:06}.png" for k in range(5)]
        assert count([path]) in (5, None)
        reds = [each.read() for each in pictures([path])]
        for k, pixels in enumerate(reds):
            assert isinstance(pixels, np.ndarray)
            assert (pixels.shape, pixels.dtype) == ((16, 32, 3), np.uint8)
            np.testing.assert_allclose(pixels.mean((0, 1)), (40 * k, 0, 0), atol=6)

    def test_frames_that_are_not_read_are_passed_over(self, clip: Callable[[str], Path]) -> None:
        for each in pictures([clip("clip.avi")]):
            if each.name.endswith("#3"):
                pixels = each.read()
        assert isinstance(pixels, np.ndarray)
        np.testing.assert_allclose(pixels[..., 0].mean(), 120, atol=6)

    @pytest.mark.parametrize("content", [b"", b"no video", b"#EXTM3U\n#EXTINF:1,\n{clip}\n#EXT-X-ENDLIST\n"])
    def test_what_is_no_video(self, clip: Callable[[str], Path], tmp_path: Path, content: bytes) -> None:
        path = tmp_path / "bad.mp4"
        path.write_bytes(content.replace(b"{clip}", os.fsencode(clip("clip.avi"))))
        assert greys([path]) == [f"{path}: not a video that OpenCV can read; replace or remove it"]

    def test_without_opencv_a_video_says_what_it_needs(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(__import__("sys").modules, "cv2", None)
        (tmp_path / "clip.mp4").write_bytes(b"")
        with pytest.raises(MissingExtra, match=r"clip\.mp4: videos need pip install 'algan-ad\[video\]'"):
            count([tmp_path / "clip.mp4"])


def test_compressed_tapes_are_known_by_their_content(tmp_path: Path) -> None:
    plain = taped(tmp_path / "a.tar", {"0.png": png(5)}).read_bytes()
    for pack in (gzip.compress, bz2.compress):
        (tmp_path / "b.tar").write_bytes(pack(plain))
        assert greys([tmp_path / "b.tar"]) == [5]
