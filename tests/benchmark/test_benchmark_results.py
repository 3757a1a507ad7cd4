from pathlib import Path

import pytest

from algan_ad.benchmark.plan import RunSpec
from algan_ad.benchmark.results import Result, ResultsFolder, _parse
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
        results.read()


def test_lines_are_read_once_and_those_of_other_processes_appear(
    results: ResultsFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    parsed = []

    def parse(line: bytes, where: str) -> Result | str:
        parsed.append(where.rsplit(":", 1)[1])
        return _parse(line, where)

    monkeypatch.setattr("algan_ad.benchmark.results._parse", parse)
    other = ResultsFolder(results.folder)
    for seed in range(3):
        other.add(_result(seed), {})
        assert len(results.read()) == seed + 1
        assert len(results.read()) == seed + 1
    assert parsed == ["1", "2", "3"]


def test_a_line_that_is_under_way_is_read_when_it_has_come(
    results: ResultsFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    results.add(_result(0), {})
    line = (_result(1).model_dump_json() + "\n").encode()
    with results.path.open("ab", buffering=0) as file:
        file.write(line[:50])
        assert [results.read().keys() for _ in range(2)] == [{_result(0).key}] * 2
        file.write(line[50:-1])
        assert results.read().keys() == {_result(0).key, _result(1).key}
        file.write(line[-1:])
    assert results.read().keys() == {_result(0).key, _result(1).key}
    results.path.write_bytes(results.path.read_bytes() + line[:50])
    results.read()
    results.add(_result(2), {})
    assert results.read().keys() == {_result(0).key, _result(1).key, _result(2).key}
    assert capsys.readouterr().err.count("half a line") == 2
