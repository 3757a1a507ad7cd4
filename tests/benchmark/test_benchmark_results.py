from pathlib import Path

import pytest

from algan_ad.benchmark.plan import RunSpec
from algan_ad.benchmark.results import Result, ResultsFolder, read_results
from algan_ad.runtime.errors import InputError


def _result(seed: int = 0, status: str = "done", error: str | None = None) -> Result:
    spec = RunSpec(
        plan="p", method="knn", label="knn", settings={}, dataset="made", data_settings={}, category=None, seed=seed,
        protocol="normal-only", scale="full",
    )  # fmt: skip
    return Result(key=spec.key, spec=spec, status=status, error=error, figures={"image_auroc": 0.75}, started="now")


@pytest.fixture
def results(tmp_path: Path) -> ResultsFolder:
    folder = ResultsFolder(tmp_path / "out")
    folder.create()
    return folder


def test_what_is_added_is_read_and_files_lie_beside(results: ResultsFolder) -> None:
    results.add(_result(0), {"a.txt": b"kept"})
    results.add(_result(1), {})
    assert list(results.read().values()) == [_result(0), _result(1)]
    assert (results.folder / "files" / _result(0).key / "a.txt").read_bytes() == b"kept"


def test_a_half_written_line_is_ignored_and_not_built_upon(
    results: ResultsFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    results.add(_result(0), {})
    results.add(_result(1), {})
    results.path.write_bytes(results.path.read_bytes()[:-40])  # what a kill in the middle of a write leaves
    assert list(results.read().values()) == [_result(0)]
    assert "results.jsonl:2: half a line" in capsys.readouterr().err
    results.add(_result(1), {})
    assert list(ResultsFolder(results.folder).read().values()) == [_result(0), _result(1)]


def test_a_run_that_was_done_stays_done_and_a_later_success_counts(results: ResultsFolder) -> None:
    for result in (_result(0), _result(0, "failed", "late"), _result(1, "failed", "early"), _result(1)):
        results.add(result, {})
    assert [each.status for each in results.read().values()] == ["done", "done"]


def test_a_run_is_claimed_by_one_at_a_time(results: ResultsFolder) -> None:
    other = ResultsFolder(results.folder)
    mine = results.claim("key")
    assert mine is not None
    assert other.claim("key") is None
    mine.release()
    again = other.claim("key")
    assert again is not None
    again.release()


def test_a_newer_file_is_refused(results: ResultsFolder) -> None:
    results.path.write_text('{"schema_version": 2}\n')
    with pytest.raises(InputError, match="newer algan-ad"):
        read_results(results.path)


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="algan benchmark run"):
        read_results(tmp_path / "results.jsonl")
