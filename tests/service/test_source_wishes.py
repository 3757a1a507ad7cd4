"""Sources as a user names them."""

from pathlib import Path

import pytest

from algan_ad.runtime.errors import InputError
from algan_ad.service.sources.wishes import CameraWish, FolderWish, source_wish


def test_the_kinds_of_sources() -> None:
    assert source_wish("folder:/in box") == FolderWish(name="in-box", folder=Path("/in box"))
    assert source_wish("camera:0") == CameraWish(name="camera0", kind="camera", place="0")
    url = "rtsp://me:pw@cam1:554/live?x=1"
    assert source_wish(url) == CameraWish(name="cam1", kind="stream", place=url)
    assert source_wish("video:clip.mp4") == CameraWish(name="clip", kind="video", place="clip.mp4")


def test_options_follow_the_last_hash() -> None:
    wish = source_wish("camera:1#name=top&xywh=1,2,30,40&trigger=motion&motion=0.1&model=parts")
    assert isinstance(wish, CameraWish)
    assert (wish.name, wish.xywh, wish.trigger, wish.motion, wish.model) == (
        "top",
        (1, 2, 30, 40),
        "motion",
        0.1,
        "parts",
    )
    assert source_wish("folder:/a#b+c#done=/d+e").done == Path("/d+e")
    assert source_wish("folder:/a#b#").name == "a-b"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("inbox", "expected folder:PATH"), ("camera:front", "expected folder:PATH"),
        ("ftp://x", "expected folder:PATH"),
        ("camera:0#rate", "expected OPTION=VALUE"), ("camera:0#rate=1&rate=2", "expected OPTION=VALUE"),
        ("camera:0#rate=0", "rate: "), ("camera:0#speed=1", "speed: "),
        ("camera:0#xywh=1,2,3", "xywh"), ("camera:0#xywh=0,0,0,9", "X,Y,WIDTH,HEIGHT"),
        ("camera:0#trigger=never", "trigger: "), ("camera:0#name=a b", "name: "),
    ],
)  # fmt: skip
def test_anything_else_is_refused(text: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        source_wish(text)


def test_an_error_shows_no_password() -> None:
    with pytest.raises(InputError) as refused:
        source_wish("rtsp://me:geheim@cam1/live#rate=0")
    assert "geheim" not in str(refused.value)
