"""Sources as a user names them: KIND:PLACE#OPTION=VALUE&OPTION=VALUE, after the media fragments of the W3C."""

import re
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit, urlunsplit

from pydantic import Field, field_validator

from algan_ad.runtime.errors import InputError, Option
from algan_ad.runtime.schema import Schema

NAME = r"^[\w.-]{1,64}$"


class SourceWish(Schema):
    """What all sources have."""

    name: str = Field(pattern=NAME, description="name in the record; a restart knows the source by it")
    model: str | None = Field(default=None, description="model that inspects; None: the only one")


class FolderWish(SourceWish):
    """A watched folder."""

    folder: Path
    done: Path | None = Field(default=None, description="folder that inspected files move to; None: they stay")
    settle: float = Field(default=1, ge=0, le=3600, description="seconds without change after which a file is whole")


class CameraWish(SourceWish):
    """A camera, a stream or a video file."""

    kind: Literal["camera", "stream", "video"]
    place: str = Field(description="index of a camera, URL of a stream, path of a video file")
    xywh: tuple[int, int, int, int] | None = Field(default=None, description="region that is inspected, in pixels")
    trigger: Literal["rate", "motion", "external"] = "rate"
    rate: float = Field(default=1, gt=0, le=1000, description="pictures a second, for the trigger rate")
    motion: float = Field(default=0.02, gt=0, lt=1, description="share of changed pixels, for the trigger motion")
    rest: float = Field(default=0.2, ge=0, le=60, description="seconds without motion after which a part lies still")
    stale: float = Field(default=5, gt=0, le=3600, description="seconds without picture after which it is a fault")

    @field_validator("xywh", mode="before")
    @classmethod
    def _four(cls, value: Any) -> Any:
        return value.split(",") if isinstance(value, str) else value

    @field_validator("xywh")
    @classmethod
    def _inside(cls, value: tuple[int, int, int, int] | None) -> tuple[int, int, int, int] | None:
        if value is not None and (min(value) < 0 or min(value[2:]) == 0):
            raise InputError("expected X,Y,WIDTH,HEIGHT in pixels, such as 160,120,320,240")
        return value


def source_wish(text: str) -> FolderWish | CameraWish:
    """The source that a text names. Raises InputError for anything else; no password is in its name.

    `folder:/inbox#done=/archive`, `camera:0#rate=2`, `rtsp://host/path#trigger=motion`, `video:clip.mp4`. What follows
    the last # are options, so that a place which holds a # needs another one at its end.
    """
    place, _, options = text.rpartition("#") if "#" in text else (text, "", "")
    kind, _, rest = place.partition(":")
    pairs = [each.partition("=")[::2] for each in options.split("&") if each]
    given = dict(pairs)
    if len(given) < len(pairs) or not all(given.values()):
        raise InputError(Option("watch", _public(text)), ": expected OPTION=VALUE, joined by &, after the #")
    try:
        if kind == "folder" and rest:
            return FolderWish(**{"name": _name(Path(rest).absolute().name), "folder": rest, **given})
        if kind == "camera" and rest.isdecimal():
            return CameraWish(**{"name": f"camera{rest}", "kind": kind, "place": rest, **given})
        if kind == "video" and rest:
            return CameraWish(**{"name": _name(Path(rest).stem), "kind": kind, "place": rest, **given})
        if kind in ("rtsp", "rtsps", "http", "https") and (host := urlsplit(place).hostname):
            return CameraWish(**{"name": _name(host), "kind": "stream", "place": place, **given})
    except InputError as error:
        raise InputError(Option("watch", _public(text)), f": {error}") from None
    expected = ": expected folder:PATH, camera:INDEX, video:PATH, or the address of a stream (rtsp:// or http://)"
    raise InputError(Option("watch", _public(text)), expected)


def _name(text: str) -> str:
    return re.sub(r"[^\w.-]", "-", text)[:64] or "source"


def _public(text: str) -> str:
    """The text without the password of a stream."""
    parts = urlsplit(text)
    if "@" not in parts.netloc:
        return text
    return urlunsplit(parts._replace(netloc="..." + parts.netloc[parts.netloc.rindex("@") :]))
