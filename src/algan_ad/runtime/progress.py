"""What a person at a terminal sees while waiting. Everything goes to stderr; stdout is for results."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from operator import length_hint
from typing import TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from algan_ad.runtime.errors import Option, dashed, plain

Item = TypeVar("Item")

_voice = plain

_console = Console(stderr=True)
# One display for all bars, so that a bar inside another one is a second line.
_bars = Progress(
    TextColumn("{task.description}"),
    BarColumn(),
    MofNCompleteColumn(),
    TimeRemainingColumn(elapsed_when_finished=True),
    console=_console,
    transient=True,
    redirect_stdout=False,  # results printed meanwhile stay on stdout
)


def set_quiet(quiet: bool) -> None:
    """Silence (or not) the bars and the lines of this process."""
    _console.quiet = quiet


def track(iterable: Iterable[Item], label: str, total: int | None = None) -> Iterator[Item]:
    """Pass the items on, with a progress bar and the time left; silent when quiet or not at a terminal.

    `total` is the number of items, where `len(iterable)` does not tell.
    """
    with bar(label, total if total is not None else length_hint(iterable) or None) as advance:
        for item in iterable:
            yield item
            advance(label)


@contextmanager
def bar(label: str, total: int | None, done: int = 0) -> Iterator[Callable[[str], None]]:
    """A progress bar to move by hand: call what it yields after each step, with the next label."""
    if _console.quiet or not _console.is_terminal:
        yield lambda label: None
        return
    task = _bars.add_task(label, total=total, completed=done)
    _bars.start()
    try:
        yield lambda label: _bars.update(task, advance=1, description=label)
    finally:
        _bars.remove_task(task)
        if not _bars.tasks:
            _bars.stop()


def log(*parts: str | Option) -> None:
    """One line on stderr, above any bar; silent when quiet. Its parts are those of an error (`errors.py`)."""
    _console.print(_voice(parts), markup=False, highlight=False, emoji=False, soft_wrap=True)


def speak_dashes() -> None:
    """Name settings as the command line does, from now on in this process."""
    global _voice  # noqa: PLW0603
    _voice = dashed
