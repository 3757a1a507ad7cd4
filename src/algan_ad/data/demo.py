"""A small dataset made from a seed, so that everything can be tried without any data."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from PIL import Image

from algan_ad.data.demo_part import DEFECTS, make_part
from algan_ad.runtime.errors import InputError
from algan_ad.runtime.files import explaining_write_errors, read_json, write_json
from algan_ad.runtime.images import Pixels
from algan_ad.runtime.progress import track

PLAN = "demo.json"

Job = tuple[tuple[int, int, int], str, str | None]  # key of the part, "train" or "test", kind of defect


def make_demo(
    folder: str | Path,
    seed: int = 0,
    *,
    size: int = 128,
    n_train: int = 200,
    n_good: int = 40,
    n_per_defect: int = 12,
) -> Path:
    """Write metal plates in the layout of MVTec-AD: train/good, test/<defect>, ground_truth/<defect>; PNG.

    Five kinds of defect (chip, crack, hole, scratch, stain), each with a mask of what it visibly changes. The
    same arguments give the same files; a folder that already holds them is left as it is.

    Args:
        folder: made when missing; an existing one must be empty or hold this very set.
        seed: of everything, 0 or more.
        size: side of the square pictures, in pixels, 32 to 1024.
        n_train, n_good, n_per_defect: numbers of pictures, at least 1.

    Returns:
        The folder.

    Raises:
        InputError: a number out of range, or a folder that holds something else.
        AlganError: the disk is full.
    """
    plan = {"seed": seed, "size": size, "n_train": n_train, "n_good": n_good, "n_per_defect": n_per_defect}
    if seed < 0 or not 32 <= size <= 1024 or min(n_train, n_good, n_per_defect) < 1:
        raise InputError(f"demo {plan}: expected seed >= 0, size 32 to 1024, at least 1 picture of each kind")
    folder = Path(folder)
    if _already_made(folder, plan):
        return folder
    with explaining_write_errors(folder):
        folder.parent.mkdir(parents=True, exist_ok=True)
        unfinished = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
        try:
            _fill(unfinished, plan)
            if folder.exists():
                folder.rmdir()  # it is empty
            unfinished.chmod(0o755)  # mkdtemp made it private
            unfinished.rename(folder)
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)
    return folder


def _already_made(folder: Path, plan: dict[str, int]) -> bool:
    if not folder.exists():
        return False
    if not folder.is_dir():
        raise InputError(f"{folder}: is a file; expected a folder for the demo pictures")
    if (folder / PLAN).is_file() and read_json(folder / PLAN) == plan:
        return True
    if any(folder.iterdir()):
        raise InputError(f"{folder}: holds something else already; give a new or an empty folder")
    return False


def _fill(folder: Path, plan: dict[str, int]) -> None:
    def save(job: Job) -> None:
        key, part, defect = job
        picture, mask = make_part(key, plan["size"], defect)
        _save(picture, folder / part / (defect or "good") / f"{key[-1]:03}.png")
        if defect:
            _save(mask, folder / "ground_truth" / defect / f"{key[-1]:03}_mask.png")

    jobs = list(_jobs(plan))
    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        for _ in track(pool.map(save, jobs), "making the demo pictures", total=len(jobs)):
            pass
    write_json(folder / PLAN, plan)


def _jobs(plan: dict[str, int]) -> Iterator[Job]:
    groups: list[tuple[str, str | None, int]] = [
        ("train", None, plan["n_train"]),
        ("test", None, plan["n_good"]),
        *(("test", defect, plan["n_per_defect"]) for defect in DEFECTS),
    ]
    for group, (part, defect, count) in enumerate(groups):
        for index in range(count):
            yield (plan["seed"], group, index), part, defect


def _save(pixels: Pixels, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)
