"""Decoded images that the runs of a plan share: each is decoded once, and a run sees what it would see without them."""

import sqlite3
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from algan_ad.benchmark import shared_images
from algan_ad.benchmark.job import Job, Output
from algan_ad.benchmark.plan import Plan
from algan_ad.benchmark.results import ResultsFolder
from algan_ad.benchmark.run import run_plan
from algan_ad.benchmark.run_job import run_job
from algan_ad.benchmark.shared_images import FILE, reading, remove
from algan_ad.benchmark.sources import Sources
from algan_ad.runtime.errors import InputError
from algan_ad.runtime.images import Pixels, Preprocessing, load_many, prepare

SMALL = Preprocessing(size=8)
PLAN = Plan(
    name="mine", title="T", seeds=(0, 1), protocols=("thesis", "normal-only"), keep=("scores",),
    methods=({"name": "algan-image",
              "settings": {"image_size": 32, "width": 4, "z_dim": 8, "epochs": 1, "batch_size": 8}},),
    data=({"name": "mtd"},),
)  # fmt: skip


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The files that are decoded from now on."""
    found: list[Path] = []

    def counted(path: Path, preprocessing: Preprocessing) -> tuple[Pixels, tuple[int, int]]:
        found.append(path)
        return prepare(path, preprocessing)

    monkeypatch.setattr(shared_images, "prepare", counted)
    return found


@pytest.fixture
def tiles(tmp_path: Path) -> Path:
    """A folder with MTD's layout: 24 good tiles, 12 cracked ones, and one that cannot be read."""
    rng = np.random.default_rng(0)
    for kind, n in (("MT_Free", 24), ("MT_Crack", 12)):
        folder = tmp_path / "data" / "mtd" / kind / "Imgs"
        folder.mkdir(parents=True)
        for i in range(n):
            Image.fromarray(rng.integers(0, 256, (40, 50), np.uint8)).save(folder / f"{i:02}.jpg")
    (tmp_path / "data/mtd/MT_Crack/Imgs/torn.jpg").write_bytes(b"no image")
    return tmp_path / "data"


def job(folder: Path | None, **git: str) -> Job:
    return Job((), Sources(None), unfinished=folder, git=git)


class Interrupted:
    """`run_job`, interrupted at the second job."""

    def __init__(self) -> None:
        self.jobs = 0

    def __call__(self, job: Job) -> list[Output]:
        self.jobs += 1
        if self.jobs == 2:
            raise KeyboardInterrupt
        return run_job(job)


def test_protocols_and_seeds_of_a_plan_decode_an_image_once(
    tiles: Path, tmp_path: Path, decoded: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """So do two calls, of which the first is interrupted when it has trained for the first seed."""
    with monkeypatch.context() as patch:
        patch.setattr("algan_ad.benchmark.pool.run_job", Interrupted())
        with pytest.raises(KeyboardInterrupt):
            run_plan(PLAN, Sources(tiles), tmp_path / "shared", workers=0, device="cpu")
    assert len(ResultsFolder(tmp_path / "shared").read()) == 2
    run_plan(PLAN, Sources(tiles), tmp_path / "shared", workers=0, device="cpu")
    readable = [path for path in decoded if path.name != "torn.jpg"]
    assert len(readable) == len(set(readable)) == 36
    assert not any((tmp_path / "shared" / "runs").iterdir())

    monkeypatch.setattr("algan_ad.benchmark.run_job.reading", lambda _: reading(job(None)))
    run_plan(PLAN, Sources(tiles), tmp_path / "alone", workers=0, device="cpu")
    results = [ResultsFolder(tmp_path / name).read() for name in ("shared", "alone")]
    assert len(results[0]) == 4
    for key, result in results[0].items():
        other = results[1][key]
        assert (result.status, result.figures, result.notes) == ("done", other.figures, other.notes)
        scores = [np.load(tmp_path / name / "files" / key / "scores.npz")["scores"] for name in ("shared", "alone")]
        assert np.array_equal(*scores)
    assert any("torn.jpg" in str(result.notes) for result in results[0].values())


def test_pixels_and_sizes_are_those_of_the_file(tiles: Path, tmp_path: Path, decoded: list[Path]) -> None:
    """Several workers at once, each with several threads; what cannot be read is listed each time."""
    paths = sorted(tiles.rglob("*.jpg"))
    expected = load_many(paths, SMALL, label=None)

    def work(_: int) -> None:
        with reading(job(tmp_path)) as read:
            found = load_many(paths, SMALL, label=None, read=read)
        assert np.array_equal(found.images, expected.images)
        assert (found.kept, found.skipped, found.sizes) == (expected.kept, expected.skipped, expected.sizes)

    with ThreadPoolExecutor(3) as threads:
        list(threads.map(work, range(3)))
    before = len(decoded)
    work(3)
    assert [path.name for path in decoded[before:]] == ["torn.jpg"]
    assert len(expected.skipped) == 1


def test_nothing_stale_is_found(tiles: Path, tmp_path: Path, decoded: list[Path]) -> None:
    path = tiles / "mtd" / "MT_Free" / "Imgs" / "00.jpg"
    cases: list[tuple[Preprocessing, dict[str, str]]] = [
        (SMALL, {}), (Preprocessing(size=9), {}), (Preprocessing(size=8, grayscale=True), {}), (SMALL, {"commit": "b"}),
    ]  # fmt: skip
    for preprocessing, git in cases:
        with reading(job(tmp_path, **git)) as read:
            assert np.array_equal(read(path, preprocessing)[0], prepare(path, preprocessing)[0])
    assert len(decoded) == 4
    Image.fromarray(np.full((10, 20), 7, np.uint8)).save(path)
    with reading(job(tmp_path)) as read:
        pixels, size = read(path, SMALL)
    assert (size, len(decoded)) == ((20, 10), 5)
    assert np.array_equal(pixels, prepare(path, SMALL)[0])


@pytest.mark.parametrize("fault", ["no database", "spoilt pixels", "full", "locked"])
def test_a_fault_of_the_database_costs_decoding_only(
    fault: str, tiles: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = sorted((tiles / "mtd" / "MT_Free" / "Imgs").iterdir())
    expected = load_many(paths, SMALL, label=None).images
    monkeypatch.setattr(shared_images, "WAIT_SECONDS", 0.01)
    if fault == "no database":
        (tmp_path / FILE).write_bytes(b"something else" * 1000)
    elif fault == "full":
        monkeypatch.setattr(shared_images, "MOST_BYTES", 16384)
    else:
        with reading(job(tmp_path)) as read:
            load_many(paths, SMALL, label=None, read=read)
    other = sqlite3.connect(tmp_path / FILE, isolation_level=None)
    if fault == "spoilt pixels":
        other.execute("UPDATE images SET pixels = zeroblob(192)")
    elif fault == "locked":
        other.execute("BEGIN EXCLUSIVE")
    with reading(job(tmp_path)) as read:
        assert np.array_equal(load_many(paths, SMALL, label=None, read=read).images, expected)
    other.close()
    if fault == "full":
        assert (tmp_path / FILE).stat().st_size <= 16384


def test_a_missing_file_is_named_as_without_sharing(tmp_path: Path) -> None:
    with reading(job(tmp_path)) as read, pytest.raises(InputError) as shared:
        read(tmp_path / "none.png", SMALL)
    with pytest.raises(InputError) as alone:
        prepare(tmp_path / "none.png", SMALL)
    assert str(shared.value) == str(alone.value)


def test_nothing_is_shared_where_the_results_are_not_seen(tmp_path: Path) -> None:
    with reading(job(tmp_path / "elsewhere")) as read:
        assert read is prepare
    assert not (tmp_path / "elsewhere").exists()
    remove(tmp_path)  # nothing there
