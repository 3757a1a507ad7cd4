"""`algan serve`."""

import gc
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from tyro.conf import Positional, arg

from algan_ad.cli.parsing import Database, Device, Json, Runtime, StationFolder, Threads, parse
from algan_ad.runtime.errors import InputError

if TYPE_CHECKING:
    from algan_ad.runtime.predictor import Predictor


@dataclass
class Serve:
    """Inspect parts over HTTP: http://127.0.0.1:8321/v1/inspect. Everything is kept in the station's folder."""

    models: Annotated[
        Positional[tuple[Path, ...]], arg(metavar="MODEL...", help="model folders, or folders of model folders")
    ]
    station: StationFolder = Path("station")
    host: Annotated[str, arg(help="address to listen on; any other than the default needs a token")] = "127.0.0.1"
    port: Annotated[int, arg(help="port to listen on; 0 takes a free one")] = 8321
    db: Database = None
    no_maps: Annotated[bool, arg(help="neither draw nor keep anomaly maps")] = False
    workers: Annotated[int, arg(help="inspections at the same time")] = 2
    audit_share: Annotated[float, arg(help="share of all parts that people check, whatever their score")] = 0.02
    keep_days: Annotated[float, arg(help="days after which images of unflagged parts are removed")] = 30
    keep_gb: Annotated[float, arg(help="most that images of unflagged parts take, in GB")] = 50
    free_gb: Annotated[float, arg(help="free space in GB below which nothing is inspected")] = 1
    watch: Annotated[
        tuple[str, ...],
        arg(metavar="SOURCE...", help="parts also come from folder:PATH, camera:INDEX, video:PATH, rtsp:// or http://"),
    ] = ()
    webhook: Annotated[tuple[str, ...], arg(metavar="URL...", help="addresses that every result is sent to")] = ()
    mqtt: Annotated[str | None, arg(help="broker for results: mqtt://HOST/TOPIC or mqtts://HOST/TOPIC")] = None
    modbus: Annotated[str | None, arg(help="HOST:PORT where PLCs read results by Modbus TCP")] = None
    device: Device = "auto"
    runtime: Runtime = "auto"
    threads: Threads = None
    json: Json = False


def verb(argv: list[str]) -> int:
    o = parse(Serve, "serve", argv)
    gc.disable()  # nothing of a start is garbage, and looking for it takes a sixth of the time
    try:
        _serve(o)
    finally:
        gc.enable()
    return 0


def _serve(o: Serve) -> None:
    from algan_ad.runtime.progress import set_quiet
    from algan_ad.service.logs import log_as_json
    from algan_ad.service.models import find_models
    from algan_ad.service.server import serve
    from algan_ad.service.settings import Settings
    from algan_ad.workflows.load import load_model

    if not o.models:
        raise InputError("serve: expected at least one model folder")
    settings = Settings(
        station=o.station, db=o.db, host=o.host, port=o.port, maps=not o.no_maps, workers=o.workers,
        audit_share=o.audit_share, keep_days=o.keep_days, keep_bytes=round(o.keep_gb * 1e9),
        free_disk_bytes=round(o.free_gb * 1e9), watch=o.watch, webhook=o.webhook, mqtt=o.mqtt, modbus=o.modbus,
    )  # fmt: skip

    def load(folder: Path) -> "Predictor":
        return load_model(folder, o.device, o.runtime, o.threads)

    def ready(address: str) -> None:
        gc.freeze()  # what the start has made stays: no part has to wait until it has been looked through for garbage
        gc.enable()
        print(_listening(address, o.json), flush=True)

    log_as_json()
    set_quiet(True)
    serve(settings, find_models(o.models), load, ready)


def _listening(address: str, as_json: bool) -> str:
    """The line that says where the station is, on standard output."""
    return json.dumps({"address": address}) if as_json else f"{address} (stop with Ctrl+C)"
