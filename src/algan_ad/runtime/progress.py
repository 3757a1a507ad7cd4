"""Bars for a person at a terminal, a line per minute for a log file. All goes to stderr; stdout is for results."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from operator import length_hint
from threading import Event, Thread
from typing import TypeVar

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from algan_ad.runtime.errors import Option, dashed, plain

Item = TypeVar("Item")

LINE_SECONDS = 60.0  # between two lines where there is no terminal

_voice = plain

_console = Console(stderr=True)


class _Rate(ProgressColumn):
    """The column "123 images/s" of a task with a unit."""

    def render(self, task: Task) -> Text:
        unit = task.fields["unit"]
        return Text(f"{task.speed:.3g} {unit}/s" if unit and task.speed else "")


# One display for all bars, so that a bar inside another one is a second line.
_bars = Progress(
    TextColumn("{task.description}"),
    BarColumn(),
    MofNCompleteColumn(),
    TimeRemainingColumn(elapsed_when_finished=True),
    _Rate(),
    console=_console,
    transient=True,
    speed_estimate_period=3600,  # an epoch may take longer than rich's 30 s, and the time left would never be shown
    redirect_stdout=False,  # results printed meanwhile stay on stdout
)


def set_quiet(quiet: bool) -> None:
    """Silence the bars and the lines of this process, or show them again."""
    _console.quiet = quiet


def is_quiet() -> bool:
    """True while the bars and the lines of this process are silenced."""
    return _console.quiet


def track(iterable: Iterable[Item], label: str, total: int | None = None) -> Iterator[Item]:
    """Pass the items on, with a progress bar as `bar` makes it.

    `total` is the number of items, needed where `len(iterable)` does not report it.
    """
    with bar(label, total if total is not None else length_hint(iterable) or None) as advance:
        for item in iterable:
            yield item
            advance(label)


@contextmanager
def bar(label: str, total: int | None, done: int = 0, unit: str = "") -> Iterator[Callable[[str], None]]:
    """A progress bar to move by hand: call what it yields after each step, with the next label.

    With a `unit`, as "images", it also shows how many of them are done in a second.

    A terminal shows the bar with the time left; a bar inside another one is a second line. Elsewhere a plain line is
    written every LINE_SECONDS, so that shorter work writes nothing. A quiet process shows nothing.
    """
    if _console.quiet:
        yield lambda label: None
        return
    task = _bars.add_task(label, total=total, completed=done, unit=unit)
    ended = Event()
    if _console.is_terminal:
        _bars.start()
    elif total != 1:  # a thread costs as much as a quick step
        Thread(target=_write_lines, args=(task, ended), daemon=True).start()
    try:
        yield lambda label: _bars.update(task, advance=1, description=label)
    finally:
        ended.set()
        _bars.remove_task(task)
        if _console.is_terminal and not _bars.tasks:
            _bars.stop()


def _write_lines(task: int, ended: Event) -> None:
    while not ended.wait(LINE_SECONDS):
        for each in _bars.tasks:
            if each.id == task:
                log(_line(each))


def _line(task: Task) -> str:
    """The line "training  loss  D 1.386: 12 of 96, 0:05:00 so far, about 0:35:00 left"."""
    steps = f"{task.completed:.0f}" if task.total is None else f"{task.completed:.0f} of {task.total:.0f}"
    left = "" if task.time_remaining is None else f", about {_spell(task.time_remaining)} left"
    rate = _Rate().render(task).plain
    return f"{task.description}: {steps}, {_spell(task.elapsed or 0)} so far{left}{rate and f', {rate}'}"


def _spell(seconds: float) -> str:
    return str(timedelta(seconds=round(seconds)))


def log(*parts: str | Option) -> None:
    """Write one line on stderr, above any bar, unless quiet. Its parts are those of an error (`errors.py`)."""
    _console.print(_voice(parts), markup=False, highlight=False, emoji=False, soft_wrap=True)


def speak_dashes() -> None:
    """Name settings as the command line does, from now on in this process."""
    global _voice  # noqa: PLW0603
    _voice = dashed
