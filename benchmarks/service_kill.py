"""Kill a station that is under load, again and again, and look for what it had promised.

    python benchmarks/service_kill.py --kills 100                          # SQLite
    python benchmarks/service_kill.py --kills 20 --db postgresql+psycopg://...   # an empty database

Each round starts `algan serve` on loopback, sends parts from four clients, and ends the server by SIGKILL at a random
moment. After the last round it checks: every inspection that was acknowledged is in the record once and as it was
answered; every row has its event, its image and its map, with the right content. Contents without a row are counted,
too: parts that the last kill cut short, which the next start would remove.
Prints one JSON object, and exits with 1 for a fault.
"""

import argparse
import hashlib
import json
import random
import signal
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path
from typing import Any

import httpx2
import numpy as np
from onnx import TensorProto, helper
from PIL import Image
from safetensors.numpy import save
from sqlalchemy import func, select

from algan_ad.runtime.calibration import Calibration
from algan_ad.runtime.images import Preprocessing
from algan_ad.runtime.model_folder import ModelConfig, write_model
from algan_ad.service.inspection.part import Inspection
from algan_ad.service.record.database import url_of
from algan_ad.service.record.record import Record
from algan_ad.service.record.tables import InspectionRow, OutboxRow
from algan_ad.service.station import stores

SIDE, CLIENTS = 64, 4


def make_model(folder: Path) -> Path:
    """A model whose score is the mean of the pixels: what is measured here is the station."""
    pixels = ["n", SIDE, SIDE, 3]
    nodes = [
        helper.make_node("Cast", ["samples"], ["x"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["x", "all"], ["scores"], keepdims=0),
        helper.make_node("ReduceMean", ["x", "colours"], ["maps"], keepdims=0),
    ]
    graph = helper.make_graph(
        nodes, "brightness", [helper.make_tensor_value_info("samples", TensorProto.UINT8, pixels)],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["n"]),
         helper.make_tensor_value_info("maps", TensorProto.FLOAT, pixels[:3])],
        [helper.make_tensor("all", TensorProto.INT64, [3], [1, 2, 3]),
         helper.make_tensor("colours", TensorProto.INT64, [1], [3])],
    )  # fmt: skip
    network = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    weights = hashlib.sha256(save({})).hexdigest()
    helper.set_model_props(network, {"algan_ad.schema_version": "1", "algan_ad.weights_sha256": weights})
    config = ModelConfig(
        method="brightness", plan={}, input="image", preprocessing=Preprocessing(size=SIDE), protocol="normal-only",
        maps="own", calibration=Calibration(scores=range(1, 100), false_alarm_rate=0.05), selection="none",
        fingerprint={}, seed=0, versions={}, training={},
    )  # fmt: skip
    write_model(folder, config, {}, {"network.onnx": network.SerializeToString()})
    return folder


def part(seed: int) -> bytes:
    """A PNG of noise around a grey, so that each part has an image and a map of its own."""
    rng = np.random.default_rng(seed)
    pixels = np.clip(rng.integers(60, 130) + 10 * rng.normal(size=(SIDE, SIDE, 3)), 0, 255).astype(np.uint8)
    buffer = BytesIO()
    Image.fromarray(pixels).save(buffer, "png", compress_level=1)
    return buffer.getvalue()


def one_round(model: Path, station: Path, db: str | None, start: int, rng: random.Random) -> tuple[list[Any], float]:
    """The answers of one life of the server, and the seconds until it listened."""
    words = ["serve", str(model), "--station", str(station), "--port", "0", "--json", *(["--db", db] if db else [])]
    began = time.monotonic()
    server = subprocess.Popen(
        [sys.executable, "-m", "algan_ad.cli", *words], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    assert server.stdout is not None
    line = server.stdout.readline()
    seconds = time.monotonic() - began
    if not line:
        raise SystemExit(f"the server ended with {server.wait()}")
    address = json.loads(line)["address"]

    def send(client: int) -> list[Any]:
        answers = []
        with httpx2.Client(base_url=address, timeout=20) as session:
            for i in range(1_000_000):
                number = start + CLIENTS * i + client
                try:
                    answer = session.post(f"/v1/inspect?part={number}", content=part(number))
                except httpx2.TransportError:
                    return answers
                if answer.status_code == 200:
                    answers.append(answer.json())
        return answers

    with ThreadPoolExecutor(CLIENTS) as pool:
        sending = [pool.submit(send, client) for client in range(CLIENTS)]
        time.sleep(rng.uniform(0.2, 2))
        server.send_signal(signal.SIGKILL)
        server.wait()
        return [answer for each in sending for answer in each.result()], seconds


def faults(answers: list[Any], station: Path, db: str | None) -> dict[str, int]:
    """Promises that the record and the stores do not keep, by kind."""
    record, (images, maps) = Record(db or url_of(station)), stores(station)
    with record.reading() as session:
        rows = {row.id: row for row in session.scalars(select(InspectionRow))}
        events = session.scalar(select(func.count(OutboxRow.id)).where(OutboxRow.event == "inspection"))
    record.close()
    found = {
        "acknowledged_and_missing": sum(each["id"] not in rows for each in answers),
        "acknowledged_and_different": sum(
            each["id"] in rows and Inspection.of(rows[each["id"]]).model_dump(mode="json") != each for each in answers
        ),
        "recorded_twice": len(rows) - len({row.part for row in rows.values()}),
        "without_event": len(rows) - (events or 0),
        "image_missing_or_altered": sum(not _readable(images, row.image) for row in rows.values()),
        "map_missing_or_altered": sum(not _readable(maps, row.map) for row in rows.values()),
    }
    return found


def _readable(blobs: Any, name: str | None) -> bool:
    try:
        return name is None or bool(blobs.read(name))
    except ValueError:
        return False


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--db", help="URL of an empty PostgreSQL database (default: SQLite)")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    rng, answers, starts = random.Random(options.seed), [], []
    with tempfile.TemporaryDirectory() as folder:
        model, station = make_model(Path(folder) / "plates"), Path(folder) / "station"
        for kill in range(options.kills):
            given, seconds = one_round(model, station, options.db, 1_000_000 * kill, rng)
            answers += given
            starts.append(seconds)
        found = faults(answers, station, options.db)
        orphans = sum(1 for blobs in stores(station) for _ in blobs.names()) - 2 * len(_rows(station, options.db))
    result = {
        "kills": options.kills, "acknowledged": len(answers), **found, "contents_without_row": orphans,
        "start_seconds_median": round(sorted(starts)[len(starts) // 2], 2), "start_seconds_max": round(max(starts), 2),
    }  # fmt: skip
    print(json.dumps(result, indent=2))
    sys.exit(any(found.values()))


def _rows(station: Path, db: str | None) -> list[int]:
    record = Record(db or url_of(station))
    with record.reading() as session:
        ids = list(session.scalars(select(InspectionRow.id).where(InspectionRow.image_kept)))
    record.close()
    return ids


if __name__ == "__main__":
    main()
