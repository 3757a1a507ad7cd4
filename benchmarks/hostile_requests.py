"""Requests that no client should send: heads, hosts, paths and bodies that are none, and pictures that are bombs."""

import struct
import zlib
from collections.abc import Iterator
from io import BytesIO

from PIL import Image

from service_kill import part


def odd_heads(place: str) -> Iterator[bytes]:
    host = f"Host: {place}\r\n".encode()
    for path in (
        "/../../etc/passwd", "/static/../../../etc/passwd", "/static/%2e%2e/%2e%2e/site.py",
        "/static/..%2f..%2fsite.py",
        "/static//etc/passwd", "/static/%00", "/static/....//....//etc/passwd", "/static/" + "a" * 5000, "//etc/passwd",
        "/v1/inspections/..%2f..%2fetc%2fpasswd/image", "/v1/inspections/1/..%2f..%2frecord.sqlite", "/history/%2e%2e",
        "/v1/models/..%2f..%2fplates/reload", "/v2/models/%2e%2e%2fplates", "/v1/inspections?part=%00", "/%ff%fe",
        "/\x7f",
        "http://elsewhere/v1/models", "*", "/?" + "a=b&" * 20000,
    ):  # fmt: skip
        yield f"GET {path} HTTP/1.1\r\n".encode("latin-1") + host + b"Connection: close\r\n\r\n"
    for header in (
        b"Host: [", b"Host: [::1", b"Host:", b"Host: x:y", b"X-Forwarded-For: \xff, ,", b"X-Forwarded-Proto: [",
        b"X-Request-ID: \xff", b"Origin: http://[", b"Cookie: algan_session=\xff; algan_language=..",
        b"Content-Length: -1",
        b"Content-Length: 5, 6", b"Transfer-Encoding: gzip", b"Transfer-Encoding: chunked\r\nContent-Length: 5",
        b"Authorization: Bearer \xff", b"Authorization:", b"Accept-Language: " + b"x," * 5000, b"Range: bytes=9-1,-",
        b"If-None-Match: \xff", b"Upgrade: websocket\r\nConnection: upgrade", b"A" * 100_000 + b": b",
        b"Expect: 100-continue",
    ):  # fmt: skip
        for path in (b"/", b"/v1/models", b"/v1/session", b"/static/station.css"):
            own = b"" if header.startswith(b"Host") else host
            yield b"GET " + path + b" HTTP/1.1\r\n" + own + header + b"\r\nConnection: close\r\n\r\n"
    yield from (
        b"\0" * 1000,
        b"GET / HTTP/9.9\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"\x16\x03\x01" * 100,
        b"A" * 200_000,
    )


def odd_bodies() -> Iterator[tuple[str, str, dict[str, str], bytes]]:
    json_, form = {"Content-Type": "application/json"}, "multipart/form-data; boundary=x"
    places = [
        ("POST", "/v1/session"), ("PUT", "/v1/inspections/1/judgement"), ("POST", "/v1/models/plates/thresholds"),
        ("POST", "/v2/models/plates/infer"), ("POST", "/v1/models/plates/thresholds/roll-back"),
    ]  # fmt: skip
    for method, path in places:
        for body in (
            b"[" * 100_000, b"9" * 100_000, b"NaN", b'"\\ud800"', b'{"\\ud800": NaN}', b'{"token": "\\ud800"}',
            b"\xff\xfe{",
            b'{"judgement": "\\ud800"}', b'{"reason": "\\u0000"}', b'{"reason": "\\udfff"}',
            b'{"false_alarm_rate": 1e999}',
            b'{"inputs": [{"name": "a", "datatype": "UINT8", "shape": [99999999999, 99999999999, 3], "data": [1]}]}',
            b'{"id": "\\ud800", "inputs": [{"name": "a", "datatype": "UINT8", "shape": [1, 1, 3], "data": [1, 2, 3]}]}',
            b'{"a": ' * 5000, b"", b"null", b"{}", b"1e999",
        ):  # fmt: skip
            yield method, path, json_, body
    item = b'--x\r\nContent-Disposition: form-data; name="image"; filename="../../../../evil"\r\n\r\n'
    for kind in (
        form,
        f"{form}; charset=utf-7",
        "multipart/form-data",
        "multipart/form-data; boundary=\xff",
        "image/png",
    ):
        for body in (
            b"", b"--x", b"--x--", item, item + b"x\r\n--x--", item * 100, b"--x\r\n" * 10_000, item + b"x" * 100_000,
            b'--x\r\nContent-Disposition: form-data; name="part"\r\n\r\n+2AA-\r\n' + item + part(1) + b"\r\n--x--",
            b"--x\r\nContent-Disposition: " + b"a" * 100_000, b"--x\r\nX: y\r\n\r\n--x--",
        ):  # fmt: skip
            for path in ("/v1/inspect", "/v1/inspect/batch"):
                yield "POST", path, {"Content-Type": kind}, body


def png(width: int, height: int, colour: int = 2, extra: bytes = b"") -> bytes:
    """A PNG of any size with data for a few rows of it."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, 16, colour, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", head)
        + extra
        + chunk(b"IDAT", zlib.compress(bytes(2**22)))
        + chunk(b"IEND", b"")
    )


def bombs() -> Iterator[bytes]:
    for size in ((60_000, 60_000), (2**31 - 1, 1), (1, 2**31 - 1), (7000, 7100), (50_000, 999)):
        yield png(*size, 6)
    packed = zlib.compress(bytes(2**28), 9)  # 256 MB of text or profile in a chunk of a small picture
    for kind, data in ((b"zTXt", b"a\0\0" + packed), (b"iCCP", b"a\0\0" + packed)):
        extra = struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        yield png(8, 8, 2, extra)
    for mode, side, kind, options in (
        ("1", 7000, "tiff", {"compression": "group4"}), ("RGB", 7000, "webp", {"quality": 1}), ("L", 20_000, "gif", {}),
        ("RGB", 7000, "jpeg", {"quality": 1}), ("RGBA", 7000, "png", {}), ("I;16", 7000, "png", {}), ("L", 14_000,
        "png", {}),
    ):  # fmt: skip
        buffer = BytesIO()
        Image.new(mode, (side, side)).save(buffer, kind, **options)
        yield buffer.getvalue()
    frames = [Image.new("L", (500, 500), i % 256) for i in range(2000)]
    for kind in ("gif", "tiff"):
        buffer = BytesIO()
        frames[0].save(buffer, kind, save_all=True, append_images=frames[1:])
        yield buffer.getvalue()
