"""A connection of HTTP/1.1 that waits for ever neither for its client nor with its answer."""

import asyncio
import socket
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

HEAD_SECONDS = 10.0  # that the first line and the headers of a request may take
ANSWER_SECONDS = 30.0  # that a client may take for what has been sent to it


class Connection(H11Protocol):
    """uvicorn's protocol, with limits of time for the head of a request and for its answer, which leaves at once.

    Without them, anybody could hold all connections of a station by requests that never begin, or by never reading.
    The time of a body is limited by `api/edge.py`, that of a pause between two requests by uvicorn.
    """

    _limit: asyncio.TimerHandle | None = None
    _unread: asyncio.TimerHandle | None = None  # runs while the client has not taken all of what was sent

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        # asyncio leaves the sockets of our listener as they are; an answer would wait 40 ms for an acknowledgement
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        transport.set_write_buffer_limits(high=0)  # so that writing is paused whenever something waits for the client
        self._begin_limit()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self.cycle is not None and not self.cycle.response_complete:
            self._end_limit()
        elif self._limit is None:  # bytes that are no whole head yet, or the rest of a body that was refused
            self._begin_limit()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._unread = self.loop.call_later(ANSWER_SECONDS, self.transport.abort)  # to close it would wait for the rest

    def resume_writing(self) -> None:
        self._end_unread()
        super().resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        self._end_limit()
        self._end_unread()
        super().connection_lost(exc)

    def _begin_limit(self) -> None:
        self._limit = self.loop.call_later(HEAD_SECONDS, self.transport.close)

    def _end_limit(self) -> None:
        if self._limit is not None:
            self._limit.cancel()
            self._limit = None

    def _end_unread(self) -> None:
        if self._unread is not None:
            self._unread.cancel()
            self._unread = None
