"""Work done ahead: one thread reads, others decode, and whoever takes the results meanwhile scores those before."""

from collections.abc import Callable, Generator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, suppress
from queue import Empty, Queue
from threading import Event, Semaphore, Thread
from typing import TypeVar

Item = TypeVar("Item")
Read = TypeVar("Read")
Result = TypeVar("Result")


def ahead(
    items: Generator[Item], read: Callable[[Item], Read], work: Callable[[Read], Result], threads: int, results: int
) -> Generator[Result]:
    """`work(read(item))` for each item, in their order.

    A thread of its own goes through the items and reads each before it asks for the next; the work is done by
    `threads` more. At most `results` results wait to be taken, and at most threads + 2 items that were read for the
    work, so that memory is bounded however slowly the results are taken. The first error ends it.
    """
    taken: Queue[Future[Result] | None] = Queue(results)
    room, stop = Semaphore(threads + 2), Event()

    def produce() -> None:
        try:
            with closing(items):
                for item in items:
                    room.acquire()
                    if stop.is_set():
                        return
                    future = pool.submit(work, read(item))
                    future.add_done_callback(lambda _: room.release())
                    taken.put(future)
        except BaseException as error:
            failed: Future[Result] = Future()
            failed.set_exception(error)
            taken.put(failed)
        finally:
            taken.put(None)

    with ThreadPoolExecutor(threads) as pool:
        producer = Thread(target=produce, daemon=True)
        producer.start()
        try:
            while (future := taken.get()) is not None:
                yield future.result()
        finally:
            stop.set()
            while producer.is_alive():  # it may wait for a free place among the results
                with suppress(Empty):
                    taken.get(timeout=0.05)
