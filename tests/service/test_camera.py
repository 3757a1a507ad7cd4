"""Cameras: triggers, loss and return, staleness, overload; real files and streams through OpenCV."""

import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event, Thread
from typing import Any

import numpy as np
import pytest
from sqlalchemy import select

from algan_ad.runtime.errors import MissingExtra
from algan_ad.service.inspection.part import Inspection
from algan_ad.service.record.alarms import open_alarms
from algan_ad.service.record.tables import InspectionRow, OutboxRow
from algan_ad.service.sources.camera import WAITING, Camera
from algan_ad.service.sources.triggers import Motion, Rate
from algan_ad.service.sources.wishes import CameraWish
from algan_ad.service.station import Station

from .conftest import client_of
from .plant_helpers import Pretended, at_work, wait_for

cv2 = pytest.importorskip("cv2", reason="OpenCV is not installed")


def wish(**values: Any) -> CameraWish:
    return CameraWish(**{"name": "top", "kind": "camera", "place": "0", "trigger": "external", "stale": 0.3, **values})


def inspections(station: Station) -> list[Inspection]:
    with station.record.reading() as session:
        return [Inspection.of(row) for row in session.scalars(select(InspectionRow).order_by(InspectionRow.id))]


def alarms(station: Station) -> Any:
    with station.record.reading() as session:
        return open_alarms(session)


def plain(grey: int) -> Any:
    return np.full((48, 64, 3), grey, np.uint8)


def test_a_rate_takes_the_first_picture_of_each_period() -> None:
    trigger = Rate(2)
    fired = [at for at in np.arange(0, 3, 0.1) if trigger.fires(plain(0), at)]
    assert np.round(fired, 1).tolist() == [0, 0.5, 1, 1.5, 2, 2.5]
    assert trigger.fires(plain(0), 100)
    assert not trigger.fires(plain(0), 100.1)  # a pause is not made up for


def test_motion_takes_one_picture_of_each_part_at_rest() -> None:
    trigger, fired = Motion(0.02, 1.5), []
    part = plain(50)
    part[10:30, 10:30] = 200
    moving = [np.roll(part, 10 * i, axis=1) for i in range(3)]
    for i, frame in enumerate([plain(50)] * 5 + moving + [part] * 10 + [plain(50)] * 10):
        if trigger.fires(frame, i):
            fired.append(i)
    assert fired == [10, 20]  # after the part lies still, and after it is gone


def test_noise_is_no_motion() -> None:
    trigger, rng = Motion(0.02, 0), np.random.default_rng(0)
    frames = [np.clip(120 + rng.normal(0, 8, (48, 64, 3)), 0, 255).astype(np.uint8) for _ in range(20)]
    assert not any(trigger.fires(frame, i) for i, frame in enumerate(frames))


def test_a_request_takes_the_next_picture(station: Station) -> None:
    camera = Camera(station, wish(), Pretended(grey=96))
    with at_work(camera.run):
        found = camera.inspect_next("A-1")
    assert (found.verdict, found.score, found.part, found.source) == ("anomalous", 96, "A-1", "top")
    assert len(inspections(station)) == 1


def test_only_the_region_is_inspected(station: Station) -> None:
    frame = np.zeros((8, 8, 3), np.uint8)
    frame[2:4, 4:8] = 80
    camera = Camera(station, wish(xywh=(4, 2, 4, 2)), Pretended(frames=[frame] * 50))
    with at_work(camera.run):
        assert camera.inspect_next().score == 80
    outside = Camera(station, wish(xywh=(4, 2, 40, 2)), Pretended())
    with at_work(outside.run):
        found = outside.inspect_next()
    assert (found.verdict, found.cause) == ("not inspected", "error")
    assert "not inside the picture" in (found.reason or "")


def test_colours_keep_their_order(station: Station) -> None:
    blue = np.zeros((8, 8, 3), np.uint8)
    blue[..., 0] = 90  # BGR
    camera = Camera(station, wish(), Pretended(frames=[blue] * 50))
    with at_work(camera.run):
        name = camera.inspect_next().id
    with station.record.reading() as session:
        image = session.get_one(InspectionRow, name).image
    from algan_ad.runtime.images import decode

    assert decode(station.images.read(image or ""))[0, 0].tolist() == [0, 0, 90]


def test_a_camera_that_was_never_there_gives_no_verdict(station: Station) -> None:
    camera = Camera(station, wish(), Pretended(plugged=False))
    with at_work(camera.run):
        found = camera.inspect_next("A-1")
    assert (found.verdict, found.cause, found.part) == ("not inspected", "camera", "A-1")
    assert found.id is not None
    with station.record.reading() as session:
        assert (
            session.scalars(select(OutboxRow.payload).where(OutboxRow.event == "inspection")).one()["verdict"]
            == "not inspected"
        )


def test_a_lost_camera_is_said_once_on_every_channel_and_opened_again(station: Station) -> None:
    pretended = Pretended()
    camera = Camera(station, wish(), pretended)
    station.faults.probes.append(camera.fault)
    with at_work(camera.run, station.faults.watch):
        assert camera.inspect_next().verdict == "ok"
        pretended.plugged = False
        wait_for(lambda: station.faults.causes() == ["camera"])
        wait_for(lambda: len(inspections(station)) == 2)
        (alarm,) = wait_for(lambda: alarms(station))
        pretended.plugged = True
        wait_for(lambda: station.faults.causes() == [])
        assert camera.inspect_next().verdict == "ok"
    assert [each.verdict for each in inspections(station)] == ["ok", "not inspected", "ok"]
    assert (alarm.kind, pretended.opened) == ("camera top", 2)


def test_a_camera_that_sends_garbage_is_a_fault(station: Station) -> None:
    garbage = Pretended(frames=[np.zeros((8, 8, 3, 2), np.uint8)] * 10**5)  # type: ignore[list-item]
    camera = Camera(station, wish(trigger="motion", stale=1), garbage)
    station.faults.probes.append(camera.fault)
    with at_work(camera.run):
        wait_for(lambda: station.faults.causes() == ["camera"])


def test_pictures_that_come_too_fast_are_an_overload_and_not_left_out(station: Station) -> None:
    free = Event()
    inspect = station.inspector.inspect

    def slowly(*given: Any) -> Any:
        free.wait(20)
        return inspect(*given)

    station.inspector.inspect = slowly  # type: ignore[method-assign]
    camera = Camera(station, wish(stale=20), Pretended())
    with at_work(camera.run), ThreadPoolExecutor(WAITING + 1) as pool:
        asked = [pool.submit(camera.inspect_next) for _ in range(WAITING + 1)]
        wait_for(lambda: any(each.done() for each in asked))
        free.set()
        found = [each.result() for each in asked]
    assert sorted(each.cause or each.verdict for each in found) == ["ok"] * WAITING + ["overload"]


def test_a_trigger_over_http(station: Station) -> None:
    camera = Camera(station, wish(), Pretended())
    station.cameras["top"] = camera
    client = client_of(station)
    with at_work(camera.run):
        answer = client.post("/v1/cameras/top/trigger?part=A-1")
    assert (answer.status_code, answer.json()["verdict"], answer.json()["part"]) == (200, "ok", "A-1")
    late = client.post("/v1/cameras/top/trigger")  # nobody takes pictures any more
    assert (late.status_code, late.json()["cause"]) == (503, "camera")
    assert client.post("/v1/cameras/side/trigger").status_code == 404
    assert client.get("/v1/cameras").json() == ["top"]


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two seconds of video: 25 pictures a second, from dark to bright."""
    path = tmp_path_factory.mktemp("video") / "clip.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 25, (64, 48))
    assert writer.isOpened()
    for i in range(50):
        writer.write(plain(2 * i))
    writer.release()
    return path


def test_a_video_file_is_inspected_to_its_end_at_its_own_pace(station: Station, clip: Path) -> None:
    camera = Camera(station, wish(kind="video", place=str(clip), trigger="rate", rate=5))
    with at_work(camera.run):
        wait_for(lambda: camera._ended)
    scores = [each.score for each in inspections(station)]
    np.testing.assert_allclose(scores, np.arange(0, 100, 10), atol=2)
    assert camera.fault() is None


@contextmanager
def streaming(port: int = 0) -> Iterator[int]:
    """A camera that streams JPEG pictures over HTTP."""
    stop = Event()
    picture = cv2.imencode(".jpg", plain(60))[1].tobytes()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
            self.end_headers()
            while not stop.wait(0.02):
                head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(picture)}\r\n\r\n"
                try:
                    self.wfile.write(head.encode() + picture + b"\r\n")
                except OSError:
                    return

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", port), Handler) as server:
        server.daemon_threads = True
        thread = Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server.server_port
        finally:
            stop.set()
            server.shutdown()
            thread.join()


def test_a_stream_that_breaks_off_and_comes_back(station: Station) -> None:
    with streaming() as port:
        url = f"http://127.0.0.1:{port}/stream.mjpg"
        camera = Camera(station, wish(kind="stream", place=url, trigger="rate", rate=20, stale=1))
        stack = at_work(camera.run)
        stack.__enter__()
        wait_for(lambda: len(inspections(station)) >= 2)
    try:
        wait_for(camera.fault)
        n = len(inspections(station))
        with streaming(port):
            wait_for(lambda: len(inspections(station)) > n and camera.fault() is None, 30)
    finally:
        stack.__exit__(None, None, None)
    assert {each.verdict for each in inspections(station)} == {"ok"}


def test_without_its_package_the_message_names_the_extra(station: Station, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cv2", None)
    with pytest.raises(MissingExtra, match=r"algan-ad\[video\]"):
        Camera(station, wish())
