"""What every request passes first: its id, the limits of size and rate, the checks of host and origin, the headers."""

import asyncio
import re
import secrets
from time import perf_counter

import structlog
from fastapi import HTTPException
from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from algan_ad.service.api.guard import SAFE
from algan_ad.service.security.hosts import host_of, is_loopback, same_origin
from algan_ad.service.security.rates import Rates
from algan_ad.service.settings import Settings

log = structlog.get_logger("algan.http")

HEADERS = {
    "Content-Security-Policy": "default-src 'self'; img-src 'self' blob: data:; object-src 'none'; base-uri 'none'; "
    "form-action 'self'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",  # with no-referrer, browsers send the Origin of a form as null
    "Cross-Origin-Resource-Policy": "same-origin",
}
POLLED = frozenset({"/live", "/alarms"})  # every open page asks for them now and then
_REQUEST_ID = re.compile(r"[\w.-]{1,64}")


class Edge:
    """The outermost layer of the app."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self.app, self.settings = app, settings
        self._rates = Rates(settings.requests_per_second, 2 * settings.requests_per_second)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers, start, status = Headers(scope=scope), perf_counter(), 500
        given = headers.get("x-request-id", "")
        request_id = given if _REQUEST_ID.fullmatch(given) else secrets.token_hex(8)

        async def send_with_headers(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                answer = MutableHeaders(scope=message)
                for name, value in {**HEADERS, "X-Request-ID": request_id}.items():
                    answer.setdefault(name, value)
            await send(message)

        with structlog.contextvars.bound_contextvars(request=request_id):
            try:
                refusal = self._refusal(scope, headers)
                if refusal is not None:
                    await JSONResponse({"detail": refusal[1]}, refusal[0])(scope, receive, send_with_headers)
                else:
                    await self.app(scope, self._limited(receive), send_with_headers)
            finally:
                milliseconds = round(1000 * (perf_counter() - start), 1)
                say = log.debug if scope["path"] in POLLED and status < 400 else log.info
                say("request", method=scope["method"], path=scope["path"], status=status, ms=milliseconds)

    def _refusal(self, scope: Scope, headers: Headers) -> tuple[int, str] | None:
        """Status and reason when a request is refused before anything is read of it."""
        header, length = headers.get("host", ""), headers.get("content-length", "0")
        host = host_of(header)
        if host is None:
            return 400, "the header Host names no host"
        if is_loopback(self.settings.host) and not is_loopback(host):
            return 421, "this station answers to localhost only"  # a page of elsewhere may call itself anything
        if scope["method"] not in SAFE:
            origin = headers.get("origin")
            if headers.get("sec-fetch-site") == "cross-site" or (origin and not same_origin(origin, header)):
                return 403, "the page that sends this is not a page of this station"
        if not length.isdecimal() or int(length) > self.settings.max_request_bytes:
            return 413, f"larger than {self.settings.max_request_bytes} bytes"
        if not self._rates.allows(scope["client"][0] if scope.get("client") else ""):
            return 429, f"more than {self.settings.requests_per_second:g} requests a second"
        return None

    def _limited(self, receive: Receive) -> Receive:
        """The same messages, unless they are more than a request may hold, or take longer than it may."""
        settings, total, whole = self.settings, 0, False
        deadline = asyncio.get_running_loop().time() + settings.body_seconds

        async def limited() -> Message:
            nonlocal total, whole
            if whole:  # what follows is that the client goes away, at any time
                return await receive()
            try:
                async with asyncio.timeout_at(deadline):
                    message = await receive()
            except TimeoutError:
                raise HTTPException(
                    408, f"the request took longer than {settings.body_seconds:g} s to arrive"
                ) from None
            total += len(message.get("body", b""))
            whole = not message.get("more_body", False)
            if total > settings.max_request_bytes:
                raise HTTPException(413, f"larger than {settings.max_request_bytes} bytes")
            return message

        return limited
