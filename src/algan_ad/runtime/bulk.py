"""Predictions without end: pictures are read and decoded ahead, scored part by part, and handed on as they come."""

import os
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from itertools import chain, islice
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np

from algan_ad.runtime import sources as known
from algan_ad.runtime.ahead import ahead
from algan_ad.runtime.errors import InputError, Option
from algan_ad.runtime.files import refuse_to_replace
from algan_ad.runtime.images import Pixels, Skipped, prepare
from algan_ad.runtime.pictures import Content, Picture
from algan_ad.runtime.placement import Size
from algan_ad.runtime.prediction import Prediction
from algan_ad.runtime.predictor import Predictor
from algan_ad.runtime.progress import bar, log
from algan_ad.runtime.rows import Outcome
from algan_ad.runtime.tables import Table, open_table

CHUNK = 64  # pictures scored at a time: memory stays bounded however many there are
CHUNK_BYTES = 256 * 2**20  # and however large
_THREADS = min(8, os.cpu_count() or 1)


class Overlays(Protocol):
    """A place for the pictures of the anomaly maps (`workflows/overlays.py`)."""

    def targets(self, places: Iterator[Path]) -> list[Path]:
        """The file for each image, by its path inside its source."""

    def draw(self, prediction: Prediction, image: Pixels, target: Path) -> None:
        """Write the map of a prediction (h, w), laid over its image, uint8 (h, w, 3) as the scorer sees it."""


def predict_files(
    predictor: Predictor, sources: Sequence[str | Path], *, strict: bool = False, out: Path | None = None,
    overlays: Overlays | None = None, overwrite: bool = False, resume: bool = False, cluster: "Cluster | None" = None,
) -> Iterator[Outcome]:  # fmt: skip
    """Predictions for images or tables of vectors, as they come; a `Skipped` for a picture that cannot be read.

    Args:
        sources: images, folders with everything below them, globs, lists (.txt), zip and tar archives, videos; or
            tables of vectors.
        out: table to which the predictions are written before they are handed on: CSV, or by its suffix JSON lines
            or Parquet. It gets its name when all of them have been taken, and ends in `.partial` until then.
        overlays: place for the anomaly maps; the predictions come without maps.
        overwrite: replace files that are there already. An input is never replaced.
        resume: go on with the table of a call that ended early, from the same model, sources and settings. Its rows
            are handed on first.
        cluster: other machines that score images (`workflows/cluster.py`), with the same outcome.

    Raises InputError at once when there is nothing to score or a file would be replaced; later when the table to go on
    with does not fit; with `strict`, also when a file cannot be read.
    """
    out = None if out is None else Path(out)
    if predictor.config.input == "vector":
        if overlays is not None:
            raise InputError("this model scores vectors, so there is no image to draw on; leave the maps out")
        if cluster is not None:
            raise InputError("this model scores vectors, which one machine does in no time; leave the cluster out")
        refuse_to_replace([out] if out else [], map(Path, sources), overwrite or resume)
        work: Work = _Vectors(predictor, sources)
    else:
        if overlays is not None and cluster is not None:
            raise InputError("a cluster draws no maps; leave out the maps or the cluster")
        total = known.count(sources)
        targets = overlays.targets(each.place for each in known.pictures(sources)) if overlays else []
        refuse_to_replace([*targets, *([out] if out else [])], known.files(sources), overwrite or resume)
        work = _Pictures(predictor, sources, strict, total, overlays, targets, cluster)
    table = None if out is None else open_table(out, predictor.config.identity, overwrite=overwrite, resume=resume)
    return _outcomes(work, table)


class Cluster(Protocol):
    """Machines that score."""

    def score(self, chunks: Iterator[list[Picture]]) -> Iterator[list[Outcome]]:
        """The outcomes of chunks of pictures, in their order, each chunk scored together."""


class Work(Protocol):
    """What is to be scored, in one order."""

    def names(self) -> Iterator[str]:
        """The names of all samples."""

    def outcomes(self, done: int) -> Iterator[list[Outcome]]:
        """The outcomes of all samples after the first `done`, in lists."""


def _outcomes(work: Work, table: Table | None) -> Iterator[Outcome]:
    if table is None:
        yield from chain.from_iterable(work.outcomes(0))
        return
    with closing(table):
        done = 0
        for outcome in table.old(work.names()):
            yield outcome
            done += 1
        for part in work.outcomes(done):
            table.write(part)
            yield from part
        table.commit()


@dataclass(frozen=True)
class _Vectors:
    """The rows of tables, one table in memory at a time."""

    predictor: Predictor
    sources: Sequence[str | Path]

    def names(self) -> Iterator[str]:
        return (str(each.source) for each in self._predictions())

    def outcomes(self, done: int) -> Iterator[list[Outcome]]:
        left = islice(self._predictions(), done, None)
        while part := list[Outcome](islice(left, CHUNK)):
            yield part

    def _predictions(self) -> Iterator[Prediction]:
        return chain.from_iterable(self.predictor.predict(Path(source)) for source in self.sources)


@dataclass(frozen=True)
class _Pictures:
    """Pictures, in chunks that are scored together, the same ones whether or not an earlier call ended early."""

    predictor: Predictor
    sources: Sequence[str | Path]
    strict: bool
    total: int | None
    overlays: Overlays | None
    targets: Sequence[Path]
    cluster: Cluster | None = None

    def names(self) -> Iterator[str]:
        return (each.name for each in known.pictures(self.sources))

    def outcomes(self, done: int) -> Iterator[list[Outcome]]:
        size = max(1, min(CHUNK, CHUNK_BYTES // self.predictor.image_bytes))
        position = done - done % size  # the last bit of a score may depend on those that it is scored with
        chunks = self._here if self.cluster is None else self._there
        with closing(chunks(size, position)) as scored, bar("scoring", self.total, done, unit="images") as advance:
            for chunk in scored:
                known_already = max(0, done - position)
                yield chunk[known_already:]
                position += len(chunk)
                for each in chunk[known_already:]:
                    advance(f"scoring {_name(each)}")
        if position == 0:
            raise InputError(f"{', '.join(map(str, self.sources))}: no images found")

    def _here(self, size: int, position: int) -> Generator[list[Outcome]]:
        with closing(ahead(self._pictures(position), _read, self._prepare, _THREADS, size)) as prepared:
            while chunk := list(islice(prepared, size)):
                yield self._scored(chunk, position)
                position += len(chunk)

    def _there(self, size: int, position: int) -> Generator[list[Outcome]]:
        assert self.cluster is not None
        with closing(self._pictures(position)) as wanted:
            for chunk in self.cluster.score(iter(lambda: list(islice(wanted, size)), [])):
                for each in chunk:
                    if self.strict and isinstance(each, Skipped):
                        raise InputError(each.reason)
                yield chunk

    def together(self, pictures: Sequence[Picture]) -> list[Outcome]:
        """The outcomes of a few pictures that are scored together."""
        prepared = ahead((each for each in pictures), _read, self._prepare, _THREADS, len(pictures))
        return self._scored(list(prepared), 0)

    def _pictures(self, first: int) -> Generator[Picture]:
        with closing(known.pictures(self.sources)) as all_of_them:
            yield from islice(all_of_them, first, None)

    def _prepare(self, read: "_Read") -> "_Prepared":
        assert self.predictor.config.preprocessing is not None
        picture, content = read
        if isinstance(content, InputError):
            return _Prepared(picture, content)
        try:
            return _Prepared(picture, prepare(content, self.predictor.config.preprocessing, picture.name))
        except InputError as error:
            return _Prepared(picture, error)

    def _scored(self, chunk: Sequence["_Prepared"], position: int) -> list[Outcome]:
        outcomes: dict[int, Outcome] = {}
        good: list[_Good] = []
        for i, (picture, found) in enumerate(chunk, position):
            if not isinstance(found, InputError):
                good.append(_Good(i, picture.name, *found))
            elif self.strict:
                raise found
            else:
                outcomes[i] = Skipped(Path(picture.name), str(found))
        if good:
            outcomes |= zip((each.position for each in good), self._predictions(good), strict=True)
        return [outcomes[i] for i in sorted(outcomes)]

    def _predictions(self, good: Sequence["_Good"]) -> Iterator[Prediction]:
        images, sizes = np.stack([each.image for each in good]), [each.size for each in good]
        names = [each.name for each in good]
        predictions = self.predictor.predictions(images, names, self.overlays is not None, sizes)
        for each, prediction in zip(good, predictions, strict=True):
            if self.overlays is not None:
                seen = self.predictor.of_picture(each.image, each.size)[..., :3]
                self.overlays.draw(prediction, seen, self.targets[each.position])
            yield replace(prediction, anomaly_map=None)  # thousands of maps would fill the memory


class _Read(NamedTuple):
    """The content of a picture, or why there is none."""

    picture: Picture
    content: Content | InputError


class _Prepared(NamedTuple):
    """A picture as a scorer takes it, with its width and height as it was; or why it cannot be."""

    picture: Picture
    found: tuple[Pixels, Size] | InputError


class _Good(NamedTuple):
    """A picture that can be scored, and its position among all."""

    position: int
    name: str
    image: Pixels
    size: Size


def score_together(predictor: Predictor, pictures: Sequence[Picture]) -> list[Outcome]:
    """The outcomes of a few pictures, a chunk of `Cluster.score`."""
    return _Pictures(predictor, [], False, len(pictures), None, []).together(pictures)


def _name(outcome: Outcome) -> str:
    return Path(str(outcome.path if isinstance(outcome, Skipped) else outcome.source)).name


def _read(picture: Picture) -> _Read:
    try:
        return _Read(picture, picture.read())
    except InputError as error:
        return _Read(picture, error)


def list_skipped(skipped: Sequence[Skipped], n: int | None = None) -> None:
    """Count and list unreadable files on standard error. `n` is their number where these are the first of them."""
    n = n or len(skipped)
    if skipped:
        log(f"warning: {n} unreadable files were skipped:")
    for each in skipped:
        log(f"  {each.reason}")
    if n > len(skipped):
        log(f"  ... and {n - len(skipped)} more")


def report_skipped(skipped: Sequence[Skipped], strict: bool) -> None:
    """Count and list unreadable files; with `strict`, raise InputError for them."""
    if skipped and strict:
        raise InputError(Option("strict"), f": {len(skipped)} unreadable files, the first: {skipped[0].reason}")
    list_skipped(skipped)
