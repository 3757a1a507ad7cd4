"""Send a station everything that it should not get, and look for what gave way.

    pip install schemathesis
    python benchmarks/service_fuzz.py --cases 10000 --images 3000
    python benchmarks/service_fuzz.py --cases 2000 --images 300 --db postgresql+psycopg://...   # an empty database

A station is served on loopback, with tokens. In turn: damaged pictures; heads, hosts, paths and bodies that are none;
cases that schemathesis makes from the OpenAPI description, half of them with the name of the model; bombs, pictures far
larger than their files; slow senders, while parts are inspected; clients that never read; everything again by those who
may not do it.
Counts as a fault: a status of 500 or more except 503 and 507, a traceback in the log, a file outside of the station, a
change of the record by somebody who may not change it, memory beyond --most-mb, a part that is kept waiting. Prints one
JSON object, and exits with 1 for a fault.
"""

import argparse
import json
import os
import random
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

import httpx2
from sqlalchemy import inspect, text

from algan_ad.service.connection import ANSWER_SECONDS
from algan_ad.service.record.database import connect, url_of
from algan_ad.service.record.record import Record
from algan_ad.service.security.tokens import ROLES, add_token
from hostile import DAMAGE, pictures
from hostile_requests import bombs, odd_bodies, odd_heads
from service_kill import make_model, part

FAULTS: Counter[str] = Counter()
ALLOWED = {503, 507}  # overload, a full disk: documented, and no fault
SLOW = 600  # connections, more than uvicorn takes at the same time
UNREAD, ASKED = 5, 190  # clients that never read, and their requests: all below the limit of requests a second
PAGES = (  # changes that the operator's page asks for
    "/history/1/undo", "/history/1/good", "/threshold", "/threshold/roll-back", "/threshold/1/approve", "/queue/undo",
    "/queue/1/good", "/models/plates/reload", "/alarms/1/acknowledge",
)  # fmt: skip


def note(status: int, what: str) -> int:
    """Count a status, and a fault when it is one."""
    if status >= 500 and status not in ALLOWED:
        FAULTS[f"{status} {what}"] += 1
    return status


class Server:
    """`algan serve` in a folder of its own, and clients of it."""

    def __init__(self, folder: Path, db: str | None) -> None:
        self.folder, self.station, self.db = folder, folder / "station", db
        make_model(folder / "plates")
        record = Record(db or self._url())
        tokens = {role: record.write(lambda session, role=role: add_token(session, role, role, "me")) for role in ROLES}
        record.close()
        self.headers = {role: {"Authorization": f"Bearer {token}"} for role, token in tokens.items()}
        (folder / "tmp").mkdir()
        words = ["serve", folder / "plates", "--station", self.station, "--port", "0", "--json"]
        self.log = folder / "log"
        self.process = subprocess.Popen(
            [sys.executable, "-m", "algan_ad.cli", *map(str, words), *(["--db", db] if db else [])],
            stdout=subprocess.PIPE, stderr=self.log.open("wb"), text=True, cwd=folder,
            env=os.environ | {"HOME": str(folder), "TMPDIR": str(folder / "tmp")},
        )  # fmt: skip
        assert self.process.stdout is not None
        self.address = json.loads(self.process.stdout.readline())["address"]
        self.place = ("127.0.0.1", int(self.address.rpartition(":")[2]))

    def _url(self) -> str:
        self.station.mkdir(mode=0o700)
        return url_of(self.station)

    def client(self, role: str | None = None) -> httpx2.Client:
        return httpx2.Client(base_url=self.address, headers=self.headers.get(role or ""), timeout=60)

    def raw(self, content: bytes) -> bytes:
        """The answer to bytes, until the server closes or is silent for a second."""
        found = b""
        with socket.create_connection(self.place, timeout=1) as client:
            try:
                client.sendall(content)
                while more := client.recv(65536):
                    found += more
            except OSError:
                pass
        return found

    def peak_mb(self) -> int:
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"VmHWM:\s+(\d+)", status)[1]) // 1024  # type: ignore[index]

    def rows(self) -> dict[str, Any]:
        """The rows of each table that a person can change; the outbox is emptied by the station itself."""
        engine = connect(self.db or url_of(self.station))
        with engine.connect() as connection:
            names = sorted(set(inspect(connection).get_table_names()) - {"outbox"})
            found = {name: sorted(map(repr, connection.execute(text(f'SELECT * FROM "{name}"')))) for name in names}
        engine.dispose()
        return found

    def files(self) -> set[str]:
        """Files outside of the station, except the log, which is ours."""
        found = (path for path in self.folder.rglob("*") if path.is_file() and self.station not in path.parents)
        return {str(path.relative_to(self.folder)) for path in found}


def schema(server: Server, cases: int, seed: int) -> dict[str, Any]:
    """Cases of schemathesis, half of them with the names of what is there."""
    found: Counter[str] = Counter()
    operations = sum(map(len, server.client("admin").get("/openapi.json").json()["paths"].values()))
    for names in ("", '[parameters]\nname = "plates"\n"inspection_id" = 1\n"number" = 1\n"version" = "1"\n'):
        with tempfile.TemporaryDirectory() as folder:
            config, _report = Path(folder) / "schemathesis.toml", Path(folder) / "report.ndjson"
            config.write_text(names)
            words = [
                "st", "--config-file", str(config), "run", f"{server.address}/openapi.json", "--no-shrink",
                "--max-examples", str(max(1, round(cases / 2 / operations))), "--checks", "not_a_server_error",
                "--seed", str(seed), "--phases", "coverage,fuzzing", "--suppress-health-check", "all",
                "--continue-on-failure", "--generation-database", "none", "--request-timeout", "60",
                "--header", f"Authorization: {server.headers['admin']['Authorization']}",
            ]  # fmt: skip
            done = subprocess.run(words, capture_output=True, text=True, check=False, cwd=folder)
            made = re.search(r"(\d[\d,]*) generated", done.stdout)
            if made is None or done.returncode not in (0, 1):
                raise SystemExit(done.stdout[-3000:] + done.stderr[-3000:])
            found["cases"] += int(made[1].replace(",", ""))
            if done.returncode:
                FAULTS["schemathesis"] += 1
                print(done.stdout[-6000:], file=sys.stderr)
    return dict(found)


def damaged(server: Server, images: int, rng: random.Random) -> dict[str, int]:
    """Damaged pictures, alone and in batches: inspected or refused."""
    whole, found = pictures(), Counter()
    with server.client("operator") as client:
        for i in range(images):
            suffix, kind = rng.choice(list(whole)), rng.choice(list(DAMAGE))
            content = DAMAGE[kind](whole[suffix], rng)
            if i % 4:
                answers = [client.post("/v1/inspect", content=content)]
                verdicts = [each.json().get("verdict") for each in answers]
            else:
                answers = [client.post("/v1/inspect/batch", files=[("image", content)] * 2)]
                verdicts = [each["verdict"] for each in answers[0].json().get("inspections", [])]
            note(answers[0].status_code, f"damaged {kind} {suffix}")
            found.update(f"{each}" for each in verdicts[:1])
    return dict(found)


def nonsense(server: Server) -> dict[str, int]:
    """Heads, paths and bodies that are none; bodies that are too large, with and without a length."""
    found: Counter[str] = Counter()
    for content in odd_heads(server.address.removeprefix("http://")):
        answer = server.raw(content)
        status = answer.split(b" ")[1:2] or [b"closed"]
        found[status[0].decode()] += 1
        note(int(status[0]) if status[0].isdigit() else 0, repr(content[:60]))
        if b"root:" in answer or b"add_page" in answer or b"SQLite format" in answer:
            FAULTS[f"a file of elsewhere: {content[:60]!r}"] += 1
    with server.client("admin") as client:
        for method, path, headers, body in odd_bodies():
            answer = client.request(
                method, path, content=body, headers={k: v.encode("latin-1") for k, v in headers.items()}
            )
            found[str(note(answer.status_code, f"{method} {path} {body[:40]!r}"))] += 1
        for content in (bytes(70 * 2**20), iter([bytes(2**20)] * 70)):
            try:
                found[str(note(client.post("/v1/inspect", content=content).status_code, "oversize"))] += 1
            except httpx2.TransportError:  # refused and closed while we were still sending
                found["closed"] += 1
    return dict(found)


def bombed(server: Server) -> dict[str, Any]:
    with server.client("operator") as client:
        sent = [client.post("/v1/inspect", content=each) for each in bombs()]
    return dict(Counter(str(note(each.status_code, "bomb")) for each in sent))


def slowly(server: Server) -> dict[str, Any]:
    """Senders that never finish, more than fit; parts that are inspected while the senders hold their places."""
    found: Counter[str] = Counter()
    heads = (b"POST /v1/inspect HTTP/1.1\r\nHost: 127.0", b"", b"POST /v1/session HTTP/1.1\r\nHost: 127.0.0.1\r\n"
             b"Content-Type: application/json\r\nContent-Length: 99\r\n\r\n{")  # fmt: skip
    held, start = [], time.monotonic()
    for i in range(SLOW):
        client = socket.create_connection(server.place, timeout=60)
        client.sendall(heads[2] if i < SLOW / 10 else heads[i % 2])  # first some that wait for their body
        held.append(client)
    began = time.monotonic()
    while True:
        with server.client("operator") as client:
            try:
                status = client.post("/v1/inspect", content=part(7)).status_code
            except httpx2.TransportError:
                status = 0
        found[str(note(status, "beside slow senders"))] += 1
        if status == 200 or time.monotonic() - began > 120:
            break
        time.sleep(0.5)
    seconds = time.monotonic() - began
    if status != 200:
        FAULTS["slow senders keep everybody out"] += 1
    for client in held:
        try:
            while client.recv(4096):
                pass
        except OSError:
            FAULTS["a slow sender is still connected"] += 1
        client.close()
    times = {"seconds_to_connect": round(began - start, 1), "seconds_until_a_part_is_inspected": round(seconds, 1)}
    return {"senders": SLOW, **times, **found}


def never_reading(server: Server) -> dict[str, Any]:
    """Clients that ask for more than all buffers hold and read nothing: they are gone after the limit."""
    ask, held = b"GET /openapi.json HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", list[socket.socket]()
    for _ in range(UNREAD):
        client = socket.socket()
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.connect(server.place)
        client.sendall(ASKED * ask)
        client.settimeout(60)
        held.append(client)
    time.sleep(ANSWER_SECONDS + 5)
    found = Counter[str]()
    for client in held:
        content = b""
        try:
            while more := client.recv(65536):
                content += more
        except OSError:
            pass
        whole = content.count(b"HTTP/1.1 ") == ASKED
        if whole:
            FAULTS["a client that never reads is still connected"] += 1
        found["kept" if whole else "cut off"] += 1
        client.close()
    return {"clients": UNREAD, **found}


def without_rights(server: Server) -> dict[str, Any]:
    """Everything that changes something, by those who may not: the record stays as it is."""
    paths = server.client("admin").get("/openapi.json").json()["paths"]
    before, found = server.rows(), Counter()
    who: list[dict[str, str]] = [
        {}, {"Authorization": "Bearer wrong"}, {"Authorization": "Basic YTpi"},
        {"Cookie": "algan_session=WzEsImEiXQ.x.y"},
        {"Authorization": server.headers["admin"]["Authorization"].replace("Bearer ", "Bearer x")},
        {"X-Forwarded-For": "127.0.0.1", "X-Forwarded-Proto": "https"}, {"Cookie": "algan_session="},
    ]  # fmt: skip
    bodies = (
        {"json": {"judgement": "good", "reason": "x", "token": "x"}},
        {"files": {"image": part(3)}},
        {"content": part(4)},
    )
    for path, methods in {**paths, **{page: ["post"] for page in PAGES}}.items():
        place = path.replace("{name}", "plates")
        place = re.sub(r"\{\w+\}", "1", place)
        for method in set(methods) - {"get"}:
            for headers in who:
                for body in bodies:
                    answer = httpx2.request(
                        method, server.address + place, headers=headers, follow_redirects=False, **body
                    )
                    note(answer.status_code, f"{method} {place} without a token")
                    found[str(answer.status_code)] += 1
                    if answer.status_code == 200:
                        FAULTS[f"{method} {place} without a token"] += 1
    with server.client("operator") as client:  # what needs the role of an engineer or of an admin
        for place in ("thresholds", "thresholds/1/approve", "thresholds/roll-back", "reload"):
            answer = client.post(f"/v1/models/plates/{place}", json={"reason": "x"})
            found[f"operator {note(answer.status_code, place)}"] += 1
    after = server.rows()
    FAULTS.update(f"{name} was changed" for name in before if before[name] != after[name])
    return dict(found)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=10_000)
    parser.add_argument("--images", type=int, default=3000)
    parser.add_argument("--most-mb", type=int, default=1500, help="most memory of the server")
    parser.add_argument("--db", help="URL of an empty PostgreSQL database (default: SQLite)")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    rng, result, began = random.Random(options.seed), {}, time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        server = Server(Path(folder), options.db)
        files = server.files()
        try:
            for name, work in (
                ("damaged", lambda: damaged(server, options.images, rng)), ("nonsense", lambda: nonsense(server)),
                ("schema", lambda: schema(server, options.cases, options.seed)), ("bombs", lambda: bombed(server)),
                ("slow", lambda: slowly(server)),
                ("never_reading", lambda: never_reading(server)), ("without_rights", lambda: without_rights(server)),
            ):  # fmt: skip
                result[name] = work() | {"peak_mb": server.peak_mb()}
                print(name, result[name], f"{time.monotonic() - began:.0f} s", file=sys.stderr)
            with server.client("operator") as client:
                note(client.post("/v1/inspect", content=part(5)).status_code, "a part at the end")
            if server.peak_mb() > options.most_mb:
                FAULTS[f"{server.peak_mb()} MB"] += 1
            FAULTS.update(f"a file outside: {each}" for each in server.files() - files)
            server.process.send_signal(signal.SIGTERM)
            if server.process.wait(60):
                FAULTS["exit status"] += 1
        finally:
            server.process.kill()
        log = [json.loads(line) for line in server.log.read_text().splitlines()]
        FAULTS.update(f"log: {each['exception'][0]['exc_type']}" for each in log if "exception" in each)
        FAULTS.update("log: traceback" for each in log if "Traceback" in str(each))
        if FAULTS:
            Path("service_fuzz.log").write_text(server.log.read_text())
    result |= {"seconds": round(time.monotonic() - began), "faults": dict(FAULTS)}
    print(json.dumps(result, indent=1))
    sys.exit(bool(FAULTS))


if __name__ == "__main__":
    main()
