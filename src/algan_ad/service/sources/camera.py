"""A camera as a source: one thread takes every picture, so that none is old; another one inspects those that count."""

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager
from threading import BoundedSemaphore, Event
from time import monotonic

import structlog

from algan_ad.service.faults import Fault, camera_fault
from algan_ad.service.inspection.causes import CAMERA, ERROR, OVERLOAD, NotInspected
from algan_ad.service.inspection.part import Inspection, Part
from algan_ad.service.sources.capture import Capture, Frame, as_png, cropped, opencv, opened
from algan_ad.service.sources.triggers import trigger_of
from algan_ad.service.sources.wishes import CameraWish
from algan_ad.service.station import Station
from algan_ad.service.threads import Backoff

log = structlog.get_logger("algan.camera")

WAITING = 4  # pictures that wait for their inspection; a further one is an overload
Answer = Future[Inspection]


class Camera:
    """A camera, a stream or a video file. Raises MissingExtra without OpenCV."""

    def __init__(
        self, station: Station, wish: CameraWish,
        open_: Callable[[CameraWish], AbstractContextManager[Capture]] = opened,
    ) -> None:  # fmt: skip
        opencv()
        self.name, self._station, self._wish, self._open = wish.name, station, wish, open_
        self._requests: deque[tuple[str | None, Answer]] = deque()
        self._inspecting = ThreadPoolExecutor(1, thread_name_prefix=wish.name)
        self._places = BoundedSemaphore(WAITING)
        self._trigger = trigger_of(wish)
        self._seen_at, self._ended = monotonic(), False

    def fault(self) -> Fault | None:
        """The fault of a camera without new pictures. A video file that has come to its end has none."""
        if self._ended or monotonic() - self._seen_at <= self._wish.stale:
            return None
        return camera_fault(self.name, self._wish.model, self._wish.stale)

    def inspect_next(self, number: str | None = None) -> Inspection:
        """Inspect the next picture, as an external trigger wishes. Not inspected when none comes in time."""
        answer: Answer = Future()
        self._requests.append((number, answer))
        try:
            return answer.result(self._wish.stale)
        except TimeoutError:
            if answer.cancel():
                error = NotInspected(CAMERA, f"{self.name}: no picture within {self._wish.stale:g} s of the trigger")
                return self._refused(number, error)
        return answer.result()

    def run(self, stop: Event) -> None:
        """Take pictures until `stop` is set; a camera that is lost is opened again after a pause that doubles."""
        backoff = Backoff(0.5, 10)
        while not stop.is_set() and not self._ended:
            try:
                with self._open(self._wish) as capture:
                    self._follow(capture, stop, backoff)
                    self._ended = self._wish.kind == "video" and not stop.is_set()
                reason = "no more pictures"
            except Exception as error:
                reason = str(error)
            if not stop.is_set():
                log.warning("camera", source=self.name, reason=reason)
                stop.wait(backoff.next())
        self._inspecting.shutdown()

    def _follow(self, capture: Capture, stop: Event, backoff: Backoff) -> None:
        video, n = self._wish.kind == "video", 0
        while not stop.is_set() and (frame := capture.read()) is not None:
            at = n / (capture.fps or 25) if video else monotonic()
            n += 1
            if (answer := self._requested()) is not None:
                self._take(frame, *answer)
            elif self._trigger.fires(frame, at):
                done = self._take(frame, None, Future())
                if video:
                    done.result()  # the next picture of a file waits
            self._seen_at = monotonic()  # not before: a picture that breaks the trigger is none
            backoff.reset()

    def _requested(self) -> tuple[str | None, Answer] | None:
        """The oldest request that still waits."""
        while self._requests:
            number, answer = self._requests.popleft()
            if answer.set_running_or_notify_cancel():
                return number, answer
        return None

    def _take(self, frame: Frame, number: str | None, answer: Answer) -> Answer:
        """Have a picture inspected. Too many that wait are an overload, and never left out in silence."""
        if not self._places.acquire(blocking=False):
            error = NotInspected(OVERLOAD, f"{self.name}: {WAITING} pictures wait; slow the line or use more workers")
            answer.set_result(self._refused(number, error))
            return answer
        copy = frame.copy()  # OpenCV may use its memory again

        def inspect() -> None:
            try:
                answer.set_result(self._inspected(copy, number))
            finally:
                self._places.release()

        self._inspecting.submit(inspect)
        return answer

    def _inspected(self, frame: Frame, number: str | None) -> Inspection:
        try:
            content = as_png(cropped(frame, self._wish.xywh))
        except Exception as error:
            return self._refused(number, NotInspected(ERROR, f"{self.name}: {error}"))
        (found,) = self._station.inspector.inspect([Part(content, number, self.name)], self._wish.model)
        return found

    def _refused(self, number: str | None, error: NotInspected) -> Inspection:
        return self._station.inspector.refuse(Part(b"", number, self.name), self._wish.model, error)
