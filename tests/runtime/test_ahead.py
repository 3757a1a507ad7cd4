"""Work done ahead: in order, bounded, and ended with whoever takes the results."""

import threading
from collections.abc import Generator, Iterator

import pytest

from algan_ad.runtime.ahead import ahead


def numbers(n: int, read: list[int]) -> Generator[int]:
    for i in range(n):
        read.append(i)
        yield i


def itself(item: int) -> int:
    return item


def test_results_come_in_order() -> None:
    waits = [threading.Event() for _ in range(3)]

    def work(i: int) -> int:
        if i == 0:
            assert waits[2].wait(10)  # the last one ends first
        waits[i].set()
        return i * i

    assert list(ahead(numbers(3, []), itself, work, threads=3, results=3)) == [0, 1, 4]


def test_work_goes_on_while_results_are_used_but_not_without_bound() -> None:
    read: list[int] = []
    results = ahead(numbers(1000, read), itself, itself, threads=2, results=5)
    assert next(results) == 0
    for _ in range(10_000):
        if len(read) >= 7:  # five that wait, one that waits to be among them, and the one taken
            break
        threading.Event().wait(0.001)
    threading.Event().wait(0.05)
    assert 7 <= len(read) <= 5 + 1 + 2 + 2
    assert list(results) == list(range(1, 1000))


def test_who_stops_taking_stops_the_work() -> None:
    closed = threading.Event()

    def endless() -> Generator[int]:
        try:
            while True:
                yield 1
        finally:
            closed.set()

    before = threading.active_count()
    results = ahead(endless(), itself, itself, threads=2, results=3)
    assert next(results) == 1
    results.close()
    assert closed.is_set()
    assert threading.active_count() == before


@pytest.mark.parametrize("place", ["items", "read", "work"])
def test_errors_come_after_what_was_done_before(place: str) -> None:
    def fail(at: str, item: int) -> int:
        if at == place and item == 3:
            raise ValueError("three")
        return item

    def items() -> Generator[int]:
        for i in range(5):
            yield fail("items", i)

    def results() -> Iterator[int]:
        return ahead(items(), lambda i: fail("read", i), lambda i: fail("work", i), threads=1, results=9)

    found = results()
    assert [next(found) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(ValueError, match="three"):
        next(found)
