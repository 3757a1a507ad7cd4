import subprocess
import sys
from pathlib import Path

import pytest

from algan_ad.runtime.errors import InputError
from algan_ad.training.lock import locked

HOLD = """
import sys
from pathlib import Path
from algan_ad.training.lock import locked
with locked(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_another_process_is_refused_until_it_is_killed(tmp_path: Path) -> None:
    run = tmp_path / "größe 1.run"
    owner = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(run)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert owner.stdout is not None
    assert owner.stdout.readline() == "held\n"
    with pytest.raises(InputError, match=r"größe 1\.run: another process is training there"), locked(run):
        pass
    assert run.exists()
    owner.kill()
    owner.communicate()
    with locked(run):
        pass
    assert not run.exists()


def test_a_second_training_of_one_process_is_refused(tmp_path: Path) -> None:
    with locked(tmp_path / "run"):
        with pytest.raises(InputError, match="another process"), locked(tmp_path / "run"):
            pass
        with locked(tmp_path / "other"):
            pass


def test_what_was_made_is_removed_and_what_was_left_stays(tmp_path: Path) -> None:
    with locked(tmp_path / "a/b/run"):
        assert (tmp_path / "a/b/run").is_dir()
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(KeyboardInterrupt), locked(tmp_path / "a/run"):  # noqa: PT012
        (tmp_path / "a/run/checkpoint").write_text("hours of work")
        raise KeyboardInterrupt
    assert [path.name for path in (tmp_path / "a/run").iterdir()] == ["checkpoint"]


def test_a_place_that_cannot_be_written_to(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot be written"), locked(tmp_path / "file" / "run"):
        pass
