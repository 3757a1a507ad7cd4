"""Pictures out of cameras, streams and video files, by OpenCV."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from algan_ad.runtime.errors import AlganError, MissingExtra, Option
from algan_ad.service.sources.wishes import CameraWish

Frame = NDArray[np.uint8]  # (H, W, 3), BGR as OpenCV has it, or (H, W) grey


class Capture(Protocol):
    """An open camera."""

    #: Pictures a second of a video file; 0 when it does not say.
    fps: float

    def read(self) -> Frame | None:
        """The next picture; None at the end of a file, or when the camera is lost."""


class _OpenCV:
    def __init__(self, capture: Any, fps: float) -> None:
        self._capture, self.fps = capture, fps

    def read(self) -> Frame | None:
        found, frame = self._capture.read()
        return frame if found and frame is not None and frame.size and frame.dtype == np.uint8 else None


@contextmanager
def opened(wish: CameraWish) -> Iterator[Capture]:
    """A camera, until the end of the block. Raises AlganError when it cannot be opened."""
    cv2 = opencv()
    if wish.kind == "camera":
        capture = cv2.VideoCapture(int(wish.place))
    else:
        limits = [cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, int(1000 * wish.stale), cv2.CAP_PROP_READ_TIMEOUT_MSEC]
        capture = cv2.VideoCapture(wish.place, cv2.CAP_FFMPEG, [*limits, int(1000 * wish.stale)])
    try:
        if not capture.isOpened():
            raise AlganError("cannot be opened")
        yield _OpenCV(capture, float(capture.get(cv2.CAP_PROP_FPS)))
    finally:
        capture.release()


def cropped(frame: Frame, xywh: tuple[int, int, int, int] | None) -> Frame:
    """A region of a picture. Raises AlganError when the picture is too small for it."""
    if xywh is None:
        return frame
    x, y, width, height = xywh
    if y + height > frame.shape[0] or x + width > frame.shape[1]:
        raise AlganError(f"the region {xywh} is not inside the picture of {frame.shape[1]} x {frame.shape[0]} pixels")
    return frame[y : y + height, x : x + width]


def as_png(frame: Frame) -> bytes:
    """A picture as a file, without loss."""
    cv2 = opencv()
    done, content = cv2.imencode(".png", frame, [cv2.IMWRITE_PNG_COMPRESSION, 1])
    if not done:
        raise AlganError("the picture cannot be written as PNG")
    return bytes(content)


def opencv() -> Any:
    """OpenCV. Raises MissingExtra without it."""
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")  # it would print addresses with their passwords
    try:
        import cv2
    except ImportError as error:
        raise MissingExtra(Option("watch"), ": cameras need pip install 'algan-ad[video]'") from error
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    return cv2
