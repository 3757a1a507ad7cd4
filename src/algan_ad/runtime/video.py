"""Frames of videos, by OpenCV (extra `video`)."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from algan_ad.runtime.errors import InputError, MissingExtra
from algan_ad.runtime.images import MAX_PIXELS, Pixels
from algan_ad.runtime.pictures import Picture, broken
from algan_ad.runtime.progress import log

VIDEO_SUFFIXES = frozenset({".avi", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".webm"})
_PLAYLISTS = (b"#EXTM3U", b"ffconcat")  # text by the name of a video, from which FFmpeg would open other files


def is_video(path: Path) -> bool:
    """True for the suffixes of videos."""
    return path.suffix.lower() in VIDEO_SUFFIXES


def frames(path: Path, above: Path) -> Iterator[Picture]:
    """The frames of a video, in order; frame k, from 0, is `clip.mp4#k`. Raises MissingExtra without OpenCV.

    A file without frames gives one picture that reports that when it is read.
    """
    cv2 = _opencv(path)
    n = 0
    capture = cv2.VideoCapture("" if _is_playlist(path) else str(path), cv2.CAP_FFMPEG)
    try:
        while capture.grab():
            name = f"{path}#{n}"
            yield Picture(name, path, above / path.name / f"{n:06}.png", partial(_pixels, capture, name))
            n += 1
        promised = int(capture.get(cv2.CAP_PROP_FRAME_COUNT)) if n else 0
    finally:
        capture.release()
    if n == 0:
        yield broken(str(path), path, above / path.name, "not a video that OpenCV can read; replace or remove it")
    elif promised > n:
        log(f"warning: {path}: ends after {n} frames, and its header promises {promised}")


def count(path: Path) -> int | None:
    """The number of frames that the header promises; None if it promises none. Raises MissingExtra without OpenCV."""
    cv2 = _opencv(path)
    capture = cv2.VideoCapture("" if _is_playlist(path) else str(path), cv2.CAP_FFMPEG)
    n = int(capture.get(cv2.CAP_PROP_FRAME_COUNT))
    capture.release()
    return n if n > 0 else None


def _opencv(path: Path) -> Any:
    try:
        import cv2
    except ImportError as error:
        raise MissingExtra(f"{path}: videos need pip install 'algan-ad[video]'") from error
    return cv2


def _is_playlist(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(16).lstrip().startswith(_PLAYLISTS)


def _pixels(capture: Any, name: str) -> Pixels:
    found, frame = capture.retrieve()
    if not found:
        raise InputError(f"{name}: cannot be decoded; replace the video")
    if frame.shape[0] * frame.shape[1] > MAX_PIXELS:
        raise InputError(f"{name}: larger than {MAX_PIXELS // 1_000_000} million pixels; scale it down first.")
    return np.ascontiguousarray(frame[..., ::-1])  # from blue, green, red
