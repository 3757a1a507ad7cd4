"""Replay an hour of parts on a station as fast as it goes, and see what it costs.

    algan demo && python benchmarks/service_load.py demo/model demo/plates/test --parts 3600 --clients 4
    python benchmarks/service_load.py demo/model demo/plates/test --parts 600 --rate 10   # a line that is in a hurry

Each part is a picture of the folder with one pixel changed, so that the store keeps every one of them. The overhead of
a part is the time that the server spent on its request, from the head to the last byte of the answer, except decoding
and inference; with more clients than workers it contains the wait for a turn. Processor time does not depend on what
else runs on the machine: that of the server for a part, and that of decoding and inference alone, in this process.
Memory is that of the server, as the mean over a quarter of the parts. Prints one JSON object.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path
from typing import Any

import httpx2
import numpy as np
from PIL import Image

from algan_ad.runtime.listing import images_below
from algan_ad.service.inspection.part import Part
from algan_ad.service.inspection.scoring import Scored, score_parts
from algan_ad.service.models import Models
from algan_ad.service.record.database import url_of
from algan_ad.service.record.record import Record
from algan_ad.service.settings import Settings
from algan_ad.workflows.load import load_model

TICKS = os.sysconf("SC_CLK_TCK")
ALONE = 200  # parts that are decoded and scored in this process


def pictures(folder: Path, n: int) -> list[bytes]:
    """PNG files, all different."""
    known = [np.array(Image.open(path).convert("RGB")) for path in images_below(folder)]
    made = []
    for i in range(n):
        pixels = known[i % len(known)].copy()
        pixels[0, 0] = i % 256, i // 256 % 256, 0
        buffer = BytesIO()
        Image.fromarray(pixels).save(buffer, "png", compress_level=1)
        made.append(buffer.getvalue())
    return made


def cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def memory_mb(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0]) / 1024


def inference_alone(model: Path, contents: list[bytes]) -> float:
    """Milliseconds of processor time for decoding and scoring one part, with its map."""
    with tempfile.TemporaryDirectory() as folder:
        record, settings = Record(url_of(Path(folder))), Settings(station=Path(folder))
        served = Models({model.name: model}, lambda path: load_model(path, threads=1), record, True).get(None)
        score_parts(served, [Part(contents[0])], settings)
        start = time.process_time()
        for content in contents:
            (found,) = score_parts(served, [Part(content)], settings)
            assert isinstance(found, Scored)
        milliseconds = 1000 * (time.process_time() - start) / len(contents)
        record.close()
    return milliseconds


class Load:
    """Clients that send the parts in turns, and the memory of the server meanwhile."""

    def __init__(self, address: str, pid: int, contents: list[bytes]) -> None:
        self.address, self.pid, self.contents = address, pid, contents
        self.answers: dict[str, dict[str, Any]] = {}
        self.failed: list[str] = []
        self.memory: list[list[float]] = [[], [], [], []]

    def run(self, clients: int, rate: float | None) -> float:
        """The seconds that it took. rate: parts a second at most; None: as fast as it goes."""
        turns, done, start = iter(range(len(self.contents))), threading.Event(), time.monotonic()
        lock = threading.Lock()

        def client() -> None:
            with httpx2.Client(base_url=self.address, timeout=60) as session:
                while True:
                    with lock:
                        i = next(turns, None)
                    if i is None:
                        return
                    if rate is not None:
                        time.sleep(max(0.0, start + i / rate - time.monotonic()))
                    name = f"part-{i}"
                    answer = session.post(
                        f"/v1/inspect?part={name}", content=self.contents[i], headers={"X-Request-ID": name}
                    )
                    if answer.status_code == 200:
                        self.answers[name] = answer.json()
                    else:
                        self.failed.append(answer.text)

        def watch() -> None:
            while not done.wait(0.2):
                quarter = 4 * len(self.answers) // len(self.contents)
                self.memory[min(quarter, 3)].append(memory_mb(self.pid))

        watcher = threading.Thread(target=watch, daemon=True)
        watcher.start()
        with ThreadPoolExecutor(clients) as pool:
            for each in [pool.submit(client) for _ in range(clients)]:
                each.result()
        done.set()
        watcher.join()
        return time.monotonic() - start


def spread(values: list[float]) -> dict[str, float]:
    return {name: round(float(np.quantile(values, q)), 2) for name, q in (("p50", 0.5), ("p90", 0.9), ("p99", 0.99))}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("images", type=Path)
    parser.add_argument("--parts", type=int, default=3600)
    parser.add_argument("--clients", type=int, default=4)
    parser.add_argument("--rate", type=float, help="parts a second (default: as fast as it goes)")
    options = parser.parse_args()
    contents = pictures(options.images, options.parts)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        words = ["serve", options.model, "--station", folder / "station", "--port", "0", "--json", "--threads", "1"]
        with (folder / "log").open("w") as log:
            server = subprocess.Popen(
                [sys.executable, "-m", "algan_ad.cli", *map(str, words)], stdout=subprocess.PIPE, stderr=log, text=True
            )
        assert server.stdout is not None
        load = Load(json.loads(server.stdout.readline())["address"], server.pid, contents)
        before = cpu_seconds(server.pid)
        try:
            seconds = load.run(options.clients, options.rate)
            spent = 1000 * (cpu_seconds(server.pid) - before) / len(contents)
            server.send_signal(signal.SIGTERM)
            status = server.wait(60)
        finally:
            server.kill()
        lines = [json.loads(line) for line in (folder / "log").read_text().splitlines()]
    whole = {each["request"]: each["ms"] for each in lines if each.get("path") == "/v1/inspect"}
    times = {name: answer["timing_ms"] for name, answer in load.answers.items()}
    inference = {name: each["decode"] + each["score"] for name, each in times.items()}
    alone = inference_alone(options.model, contents[:ALONE])
    second, last = (float(np.mean(load.memory[i])) for i in (1, 3))
    result = {
        "parts": options.parts, "clients": options.clients, "rate": options.rate, "errors": len(load.failed),
        "exit_status": status,
        "seconds": round(seconds, 1), "parts_a_second": round(options.parts / seconds, 1),
        "load_average": os.getloadavg(),
        "request_ms": spread(list(whole.values())), "decode_and_inference_ms": spread(list(inference.values())),
        "overhead_ms": spread([whole[name] - inference[name] for name in times]),
        "store_ms": spread([each["store"] for each in times.values()]),
        "processor_ms_a_part": round(spent, 2), "processor_ms_decode_and_inference": round(alone, 2),
        "memory_mb": {"second_quarter": round(second, 1), "last_quarter": round(last, 1),
                      "change": round(last / second - 1, 4)},
    }  # fmt: skip
    print(json.dumps(result, indent=1))
    sys.exit(bool(load.failed or status))


if __name__ == "__main__":
    main()
