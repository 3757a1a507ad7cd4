import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator

import pytest

from algan_ad.runtime import progress


@pytest.fixture
def quiet() -> Iterator[None]:
    progress.set_quiet(True)
    yield
    progress.set_quiet(False)


def test_away_from_a_terminal_the_items_pass_in_silence(capfd: pytest.CaptureFixture[str]) -> None:
    assert list(progress.track(iter([3, 1, 2]), "reading", total=3)) == [3, 1, 2]
    assert capfd.readouterr() == ("", "")


TIME = r"\d:\d\d:\d\d"


def wait_for(pattern: str, capfd: pytest.CaptureFixture[str]) -> None:
    """Wait until a line on stderr matches the pattern."""
    said = ""
    for _ in range(10_000):
        out, err = capfd.readouterr()
        assert out == ""
        said += err
        if re.search(f"^{pattern}$", said, re.MULTILINE):
            return
        time.sleep(0.001)
    pytest.fail(f"no line like {pattern!r}: {said}")


def test_away_from_a_terminal_a_long_wait_is_a_line_now_and_then(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(progress, "LINE_SECONDS", 0.001)
    with progress.bar("training", 10, done=2) as advance:
        wait_for(f"training: 2 of 10, {TIME} so far", capfd)
        advance("training  loss D 1.386")
        advance("training  loss D 1.200")
        wait_for(rf"training  loss D 1\.200: 4 of 10, {TIME} so far, about {TIME} left", capfd)
    for item in progress.track((x for x in "ab"), "looking"):  # of unknown length
        if item == "b":
            wait_for(f"looking: 1, {TIME} so far", capfd)


def test_nothing_speaks_of_what_has_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "LINE_SECONDS", 0.001)
    before = set(threading.enumerate())
    with progress.bar("reading", 2):
        speaking = set(threading.enumerate()) - before
    for thread in speaking:
        thread.join(10)
    assert len(speaking) == 1
    assert not any(thread.is_alive() for thread in speaking)


def test_a_line_goes_to_stderr_as_it_is(capfd: pytest.CaptureFixture[str]) -> None:
    line = "[bold]part :smile: 7[/bold] /a/long path/" + "x" * 300
    progress.log(line)
    assert capfd.readouterr() == ("", line + "\n")


@pytest.mark.usefixtures("quiet")
def test_quiet_silences_lines(capfd: pytest.CaptureFixture[str]) -> None:
    progress.log("hello")
    assert list(progress.track([1], "reading")) == [1]
    assert capfd.readouterr() == ("", "")


SCRIPT = """
from algan_ad.runtime.progress import log, set_quiet, track
import sys
set_quiet(sys.argv[1] == "quiet")
for i in track(range(2), "epochs"):
    for j in track(iter("abc"), "images", total=3):
        log("a line")
        if j == "b":
            break
for i in track((x for x in range(2)), "again"):
    print(i)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="pseudo-terminals are a matter of POSIX")
@pytest.mark.parametrize("mode", ["loud", "quiet"])
def test_at_a_terminal_bars_nest_and_stdout_stays_clean(mode: str) -> None:
    import os
    import pty

    master, terminal = pty.openpty()
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, mode],
        stdout=subprocess.PIPE,
        stderr=terminal,
        env={**os.environ, "TERM": "xterm"},
        check=False,
        timeout=60,
    )
    os.close(terminal)
    shown = b""
    while True:
        try:
            chunk = os.read(master, 1 << 16)
        except OSError:  # Linux says so at the end
            break
        if not chunk:
            break
        shown += chunk
    os.close(master)
    assert done.returncode == 0, shown.decode()
    assert done.stdout.split() == [b"0", b"1"]
    if mode == "quiet":
        assert shown == b""
    else:
        assert shown.count(b"a line") == 4
        assert all(label in shown for label in (b"epochs", b"images", b"again"))
        assert shown.rindex(b"\x1b[?25h") > shown.rindex(b"\x1b[?25l")  # the cursor is given back
