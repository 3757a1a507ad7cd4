import hashlib
import threading
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from algan_ad.data import download
from algan_ad.data.catalog import DATASETS, Source
from algan_ad.data.download import get
from algan_ad.data.layouts import open_dataset
from algan_ad.runtime.errors import AlganError, InputError


class Server(ThreadingHTTPServer):
    """A server of one file under any address; it can break off, and can refuse to go on in the middle."""

    content = b""
    breaks = 0  # how many of the next answers stop half way
    ranges = True
    status = 200

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked: list[str | None] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/mirror/"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        server = self.server
        wanted = self.headers["Range"]
        server.asked.append(wanted)
        start = int(wanted.removeprefix("bytes=").removesuffix("-")) if wanted and server.ranges else 0
        if start >= len(server.content):
            self.send_error(416)
            return
        body = server.content[start:]
        self.send_response(server.status if server.status != 200 else 206 if start else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if server.breaks:
            server.breaks -= 1
            body = body[: len(body) // 2]
        self.wfile.write(body)

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield running
        running.shutdown()
        thread.join()


def archive(path: Path, *names: str) -> bytes:
    with zipfile.ZipFile(path, "w") as content:
        for name in names:
            content.writestr(name, hashlib.sha256(name.encode()).digest() * 50)
    return path.read_bytes()


@pytest.fixture
def tiles(tmp_path, server, monkeypatch) -> bytes:
    """Content of the server: magnetic tiles, in the layout in which they are published."""
    top = "Magnetic-tile-defect-datasets.-master"
    names = [f"{top}/MT_Free/Imgs/{i}.jpg" for i in range(4)] + [f"{top}/MT_Crack/Imgs/9.jpg", f"{top}/README.md"]
    server.content = archive(tmp_path / "source.zip", *names)
    monkeypatch.setattr(download, "CHUNK", 500)  # what is on the disk after a break is a multiple of this
    return server.content


def test_download_unpack_and_open(tmp_path, server, tiles):
    folder = get("mtd", tmp_path / "data sets", base_url=server.url)
    assert folder == tmp_path / "data sets" / "mtd"
    dataset = open_dataset(folder)
    assert (dataset.layout, len(dataset.train), len(dataset.test)) == ("mtd", 4, 1)
    assert (folder / "README.md").is_file()
    recorded = (tmp_path / "data sets" / "mtd.zip.sha256").read_text().strip()
    assert recorded == hashlib.sha256(tiles).hexdigest()
    assert sorted(p.name for p in folder.parent.iterdir()) == ["mtd", "mtd.zip", "mtd.zip.sha256"]


def test_nothing_is_fetched_twice(tmp_path, server, tiles):
    folder = get("mtd", tmp_path / "d", base_url=server.url)
    assert get("mtd", tmp_path / "d", base_url=server.url) == folder
    assert len(server.asked) == 1


def test_a_broken_download_goes_on_by_itself(tmp_path, server, tiles):
    server.breaks = 2
    get("mtd", tmp_path / "d", base_url=server.url)
    first = len(tiles) // 2 // 500 * 500
    second = first + (len(tiles) - first) // 2 // 500 * 500
    assert server.asked == [None, f"bytes={first}-", f"bytes={second}-"]
    assert (tmp_path / "d" / "mtd.zip").read_bytes() == tiles


def test_a_broken_download_goes_on_in_the_next_call(tmp_path, server, tiles):
    server.breaks = download.ATTEMPTS
    with pytest.raises(AlganError, match=r"the download broke off.*Run it again.*or by hand: Fetch the repository"):
        get("mtd", tmp_path / "d", base_url=server.url)
    assert not (tmp_path / "d" / "mtd").exists()
    get("mtd", tmp_path / "d", base_url=server.url)
    assert int(server.asked[-1].removeprefix("bytes=").removesuffix("-")) > len(tiles) * 0.7
    assert (tmp_path / "d" / "mtd.zip").read_bytes() == tiles


def test_a_server_that_cannot_go_on_starts_again(tmp_path, server, tiles):
    server.ranges, server.breaks = False, 1
    get("mtd", tmp_path / "d", base_url=server.url)
    assert (tmp_path / "d" / "mtd.zip").read_bytes() == tiles


def test_a_partial_file_that_is_too_long_is_dropped(tmp_path, server, tiles):
    server.breaks = download.ATTEMPTS
    with pytest.raises(AlganError):
        get("mtd", tmp_path / "d", base_url=server.url)
    (partial,) = (tmp_path / "d").glob(".*.part")
    partial.write_bytes(b"x" * (len(tiles) + 1))
    get("mtd", tmp_path / "d", base_url=server.url)
    assert (tmp_path / "d" / "mtd.zip").read_bytes() == tiles


def test_a_changed_file_is_not_trusted(tmp_path, server, tiles):
    folder = get("mtd", tmp_path / "d", base_url=server.url)
    for path in sorted(folder.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    (tmp_path / "d" / "mtd.zip").write_bytes(b"damaged")
    server.content = tiles + b"something new"
    with pytest.raises(AlganError, match=r"not the file expected.*remove .*mtd.zip.sha256"):
        get("mtd", tmp_path / "d", base_url=server.url)
    server.content = tiles
    assert (get("mtd", tmp_path / "d", base_url=server.url) / "MT_Free").is_dir()


def test_the_published_checksum_is_compared(tmp_path, server, monkeypatch):
    server.content = archive(tmp_path / "source.zip", "coil-100/obj1__0.png")
    with pytest.raises(AlganError, match=r"not the file expected.*by hand: Fetch coil-100.zip"):
        get("coil-100", tmp_path / "d", base_url=server.url)
    assert not (tmp_path / "d" / "coil-100").exists()
    assert not (tmp_path / "d" / "coil-100.zip").exists()
    source = Source(url="http://nowhere/coil-100.zip", sha256=hashlib.sha256(server.content).hexdigest())
    entry = DATASETS["coil-100"].model_copy(update={"source": source})
    monkeypatch.setitem(DATASETS, "coil-100", entry)
    assert (get("coil-100", tmp_path / "d", base_url=server.url) / "obj1__0.png").is_file()


@pytest.mark.parametrize("name", ["../outside.txt", "/outside.txt", "a/../../outside.txt", "C:/x", "..\\x"])
def test_unsafe_archives_are_refused_whole(tmp_path, server, name):
    server.content = archive(tmp_path / "source.zip", "MT_Free/a.jpg", name)
    with pytest.raises(AlganError, match=r"unsafe, .* would lie outside"):
        get("mtd", tmp_path / "d", base_url=server.url)
    assert sorted(p.name for p in (tmp_path / "d").iterdir()) == ["mtd.zip"]
    assert not list(tmp_path.rglob("outside.txt"))


def test_damaged_archive(tmp_path, server):
    server.content = b"PK no archive"
    with pytest.raises(AlganError, match=r"mtd.zip: damaged"):
        get("mtd", tmp_path / "d", base_url=server.url)
    assert not (tmp_path / "d" / "mtd.zip.sha256").exists()  # nothing is trusted that cannot be used


def test_too_large_for_the_disk(tmp_path, server, tiles, monkeypatch):
    usage = type("Usage", (), {"free": 10})
    monkeypatch.setattr(download.shutil, "disk_usage", lambda _: usage)
    with pytest.raises(AlganError, match="free some disk space"):
        get("mtd", tmp_path / "d", base_url=server.url)
    assert not (tmp_path / "d" / "mtd").exists()


def test_no_server_and_no_such_file(tmp_path, server, tiles):
    server.status = 404
    with pytest.raises(AlganError, match=r"404.*by hand"):
        get("mtd", tmp_path / "d", base_url=server.url)
    with pytest.raises(AlganError, match="by hand"):
        get("mtd", tmp_path / "d", base_url="http://127.0.0.1:9/")


def test_registration_and_unknown_names(tmp_path):
    with pytest.raises(InputError, match=r"no public address. MVTec asks for a registration"):
        get("mvtec-ad", tmp_path)
    with pytest.raises(InputError, match="expected one of mvtec-ad, mtd, coil-100"):
        get("imagenet", tmp_path)
