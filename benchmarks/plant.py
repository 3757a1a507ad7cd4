"""Receivers that are away for 1,000 results, and plugs that are pulled while a PLC reads.

    python benchmarks/plant.py          # needs mosquitto and the extras camera, modbus, mqtt

First a webhook and a broker are away while `algan serve` inspects parts; it is killed in the middle and starts again.
Then both come back. Counted is what they got: results missing, results out of order, repetitions.
Then a real Modbus client reads the registers every 20 ms while the model's folder, the free disk space, the camera and
the process are taken away. Measured is the time until the fault word, or the end of the connection, shows it.
Prints one JSON object, and exits with 1 when something is missing, out of order, or slower than 2 s.
"""

import argparse
import getpass
import json
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import cv2
import httpx2
import numpy as np
import paho.mqtt.client as paho
from pymodbus.client import ModbusTcpClient

from service_kill import make_model, part

STALE = 1.5  # seconds, the limit of the camera
BITS = {"model": 2, "disk": 4, "camera": 8}


@contextmanager
def serving(folder: Path, *words: str) -> Iterator[tuple[subprocess.Popen[str], httpx2.Client]]:
    command = [
        sys.executable,
        "-m",
        "algan_ad.cli",
        "serve",
        str(folder / "model"),
        "--station",
        str(folder / "station"),
    ]
    server = subprocess.Popen(
        [*command, "--port", "0", "--json", *words], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    try:
        assert server.stdout is not None
        with httpx2.Client(base_url=json.loads(server.stdout.readline())["address"], timeout=20) as client:
            yield server, client
    finally:
        server.kill()
        server.wait()


@contextmanager
def http(port: int, handler: type[BaseHTTPRequestHandler]) -> Iterator[None]:
    with ThreadingHTTPServer(("127.0.0.1", port), handler) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield
        server.shutdown()


def webhook(got: list[int]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            message = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            if message["event"] == "inspection":
                got.append(message["data"]["id"])
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    return Handler


def camera(pulled: threading.Event) -> type[BaseHTTPRequestHandler]:
    picture = cv2.imencode(".jpg", np.full((64, 64, 3), 60, np.uint8))[1].tobytes()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
            self.end_headers()
            while not pulled.wait(0.04):
                head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(picture)}\r\n\r\n"
                self.wfile.write(head.encode() + picture + b"\r\n")
            time.sleep(3600)  # as a cable that is pulled: the connection stays, and nothing comes

        def log_message(self, *_: Any) -> None:
            pass

    return Handler


@contextmanager
def broker(port: int, folder: Path, got: list[int]) -> Iterator[None]:
    """A broker, and a subscriber that it remembers from one time to the next."""
    program = shutil.which("mosquitto", path="/usr/bin:/usr/sbin:/usr/local/sbin")
    if program is None:
        raise SystemExit("mosquitto is not installed")
    (folder / "broker.conf").write_text(f"listener {port} 127.0.0.1\nallow_anonymous true\nmax_queued_messages 0\n")
    with (folder / "broker.conf").open("a") as file:
        file.write(f"persistence true\npersistence_location {folder}/\nuser {getpass.getuser()}\n")
    process = subprocess.Popen([program, "-c", folder / "broker.conf"], stderr=subprocess.DEVNULL)
    subscribed = threading.Event()
    client = paho.Client(paho.CallbackAPIVersion.VERSION2, "subscriber", clean_session=False)
    client.on_connect = lambda client, *_: client.subscribe("line4/inspection", qos=1)
    client.on_subscribe = lambda *_: subscribed.set()
    client.on_message = lambda _c, _u, message: got.append(json.loads(message.payload)["data"]["id"])
    try:
        client.connect_async("127.0.0.1", port)
        client.reconnect_delay_set(0.01, 0.05)
        client.loop_start()
        subscribed.wait(10)
        yield
        client.disconnect()
        client.loop_stop()
    finally:
        process.terminate()
        process.wait()


def seconds_until(happened: Callable[[], bool], most: float) -> float:
    begun = time.monotonic()
    while not happened():
        if time.monotonic() - begun > most:
            raise SystemExit("it took too long")
        time.sleep(0.02)
    return round(time.monotonic() - begun, 2)


def outage(folder: Path, n: int) -> dict[str, Any]:
    ports, got = (18990, 18991), ([], [])
    words = ("--webhook", f"http://127.0.0.1:{ports[0]}/", "--mqtt", f"mqtt://127.0.0.1:{ports[1]}/line4")
    sent: list[int] = []
    with broker(ports[1], folder, got[1]):
        pass  # the subscriber makes itself known

    def send(client: httpx2.Client, count: int) -> None:
        sent.extend(client.post("/v1/inspect", content=part(i)).json()["id"] for i in range(count))

    with serving(folder, *words) as (server, client):
        send(client, n // 2)
        server.kill()
    with ExitStack() as stack:
        _, client = stack.enter_context(serving(folder, *words))
        send(client, n - n // 2)
        stack.enter_context(http(ports[0], webhook(got[0])))
        stack.enter_context(broker(ports[1], folder, got[1]))
        seconds = seconds_until(lambda: all(sent[-1] in each for each in got), 120)
    return {
        "results": len(sent),
        "seconds_after_return": seconds,
        **{
            name: {
                "missing": len(set(sent) - set(each)),
                "repeated": len(each) - len(set(each)),
                "in_order": list(dict.fromkeys(each)) == sorted(set(each)),
            }
            for name, each in zip(("webhook", "mqtt"), got, strict=True)
        },
    }


def plugs(folder: Path) -> dict[str, float]:
    port, video, pulled, found = 18992, 18993, threading.Event(), {}
    free = shutil.disk_usage(folder).free
    words = (
        "--modbus", f"127.0.0.1:{port}", "--free-gb", str((free - 300e6) / 1e9),
        "--watch", f"http://127.0.0.1:{video}/live.mjpg#name=top&rate=5&stale={STALE}",
    )  # fmt: skip
    with http(video, camera(pulled)), serving(folder, *words) as (server, _):
        plc = ModbusTcpClient("127.0.0.1", port=port, retries=0)
        plc.connect()

        def words_now() -> list[int]:
            return list(plc.read_input_registers(0, count=8).registers)

        def shows(cause: str) -> bool:
            result, faults = words_now()[0], words_now()[3]
            return bool(faults & BITS[cause]) and result == 0

        def well() -> bool:
            return words_now()[0] == 1 and words_now()[3] == 0

        seconds_until(well, 20)
        (folder / "model").rename(folder / "away")
        found["model"] = seconds_until(lambda: shows("model"), 10)
        (folder / "away").rename(folder / "model")
        seconds_until(well, 20)
        with (folder / "filler").open("wb") as file:
            file.write(bytes(500_000_000))
        found["disk"] = seconds_until(lambda: shows("disk"), 10)
        (folder / "filler").unlink()
        seconds_until(well, 20)
        pulled.set()
        found["camera"] = seconds_until(lambda: shows("camera"), 10)
        server.kill()

        def gone() -> bool:
            try:
                return bool(plc.read_input_registers(0, count=8).isError())
            except Exception:
                return True

        found["process"] = seconds_until(gone, 10)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--results", type=int, default=1000)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_model(folder / "model")
        found = {"outage": outage(folder, parser.parse_args().results), "plugs_seconds": plugs(folder)}
    print(json.dumps(found, indent=2))
    bad = [
        each
        for each in (found["outage"]["webhook"], found["outage"]["mqtt"])
        if each["missing"] or not each["in_order"]
    ]
    sys.exit(bool(bad) or max(found["plugs_seconds"].values()) > 2)


if __name__ == "__main__":
    main()
