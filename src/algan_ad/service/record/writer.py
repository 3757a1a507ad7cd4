"""The one writer of a record: changes that wait at the same time share one transaction, and so one flush to disk."""

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import nullcontext
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Any, TypeVar

from sqlalchemy import Engine
from sqlalchemy.orm import Session

Result = TypeVar("Result")
Waiting = tuple[Callable[[Session], Any], "Future[Any]"]

TOGETHER = 64  # changes in one transaction at most


class Writer:
    """A thread that carries out changes one after the other, each whole or not at all.

    Because there is one, ids are committed in their order: a reader who has seen an id has seen all below it.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._waiting: SimpleQueue[Waiting | None] = SimpleQueue()
        self._thread = Thread(target=self._work, name="record-writer", daemon=True)
        self._thread.start()

    def write(self, change: Callable[[Session], Result]) -> Result:
        """Carry out a change and return its result once it is on the disk. Raises what the change raises.

        Nothing of a change remains that raises, or whose commit fails.
        """
        future: Future[Result] = Future()
        self._waiting.put((change, future))
        return future.result()

    def close(self) -> None:
        """Finish what waits, and stop."""
        self._waiting.put(None)
        self._thread.join()

    def _work(self) -> None:
        while (first := self._waiting.get()) is not None:
            group, ends = [first], False
            try:
                while len(group) < TOGETHER and not ends:
                    following = self._waiting.get_nowait()
                    ends = following is None
                    group += [] if following is None else [following]
            except Empty:
                pass
            self._commit(group)
            if ends:
                return

    def _commit(self, group: Sequence[Waiting]) -> None:
        done: list[tuple[Future[Any], Any]] = []
        try:
            with Session(self._engine, expire_on_commit=False) as session, session.begin():
                alone = len(group) == 1  # then the transaction itself is whole or not at all, without a savepoint
                for change, future in group:
                    try:
                        with nullcontext() if alone else session.begin_nested():
                            result = change(session)
                    except Exception as error:
                        if alone:
                            raise
                        future.set_exception(error)
                    else:
                        done.append((future, result))
        except BaseException as error:  # nothing of the group was committed
            for _, future in group:
                if not future.done():
                    future.set_exception(error)
            return
        for future, result in done:
            future.set_result(result)
