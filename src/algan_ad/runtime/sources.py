"""Pictures to score, one after the other: of files, folders, globs, lists, archives and videos."""

import glob
from collections.abc import Generator, Iterator, Sequence
from functools import partial
from pathlib import Path

from algan_ad.runtime import archives, listing, video
from algan_ad.runtime.errors import InputError
from algan_ad.runtime.listing import images_below
from algan_ad.runtime.pictures import Picture

LIST = ".txt"


def pictures(sources: Sequence[str | Path]) -> Generator[Picture]:
    """The pictures of the sources, in order, found as they are asked for.

    A source is an image, a folder (with everything below it), a zip or tar archive, a video, which gives its frames, a
    glob of these, or a list of these, one a line, beside which relative paths lie. A file that cannot be read gives a
    picture whose reading reports that.
    """
    for source in map(Path, sources):
        above = Path(source.resolve().name if len(sources) > 1 else "")
        inside = _behind(source)
        for each in [source] if inside is None else inside:
            yield from _pictures_of(each, above / each.name if inside is not None and each.is_dir() else above)


def count(sources: Sequence[str | Path]) -> int | None:
    """The number of pictures, None where it takes reading to know it.

    Raises InputError for a source that is not there, a list that cannot be read, and when there is no picture at all;
    MissingExtra for a video without OpenCV.
    """
    total: int | None = 0
    for source in map(Path, sources):
        inside = _behind(source)
        for each in [source] if inside is None else inside:
            if inside is None and not each.is_file():
                listing.images(each)  # raises for what is no folder either
            n = _count(each)
            total = None if n is None or total is None else total + n
    if total == 0:
        raise InputError(
            f"{', '.join(map(str, sources))}: no images found; expected image files or folders, lists, archives or "
            "videos of them"
        )
    return total


def files(sources: Sequence[str | Path]) -> Iterator[Path]:
    """The files that are read."""
    for source in map(Path, sources):
        inside = _behind(source)
        if inside is not None and source.is_file():
            yield source
        for each in [source] if inside is None else inside:
            yield from images_below(each) if each.is_dir() else [each]


def _behind(source: Path) -> Iterator[Path] | None:
    """The sources behind a list or a glob; None for anything else."""
    if source.is_file():
        return _lines(source) if source.suffix.lower() == LIST else None
    found = sorted(glob.iglob(str(source), recursive=True)) if not source.exists() else []
    return map(Path, found) if found else None


def _lines(path: Path) -> Iterator[Path]:
    try:
        with path.open(encoding="utf-8", errors="surrogateescape") as lines:
            yield from (path.parent / line.strip() for line in lines if line.strip())
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from error


def _pictures_of(source: Path, above: Path) -> Iterator[Picture]:
    if source.is_dir():
        for path in images_below(source):
            yield Picture(str(path), path, above / path.relative_to(source), partial(_itself, path))
    elif source.is_file() and archives.is_archive(source):
        yield from archives.members(source, above)
    elif source.is_file() and video.is_video(source):
        yield from video.frames(source, above)
    else:
        yield Picture(str(source), source, Path(source.name), partial(_itself, source))


def _count(source: Path) -> int | None:
    if source.is_dir():
        return sum(1 for _ in images_below(source))
    if source.is_file() and archives.is_archive(source):
        return archives.count(source)
    if source.is_file() and video.is_video(source):
        return video.count(source)
    return 1


def _itself(path: Path) -> Path:
    return path
