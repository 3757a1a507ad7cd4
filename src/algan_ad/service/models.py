"""The models that a station serves, each replaced as a whole while parts in flight finish on the former one."""

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Lock

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from algan_ad.runtime.clock import now
from algan_ad.runtime.errors import AlganError, InputError
from algan_ad.runtime.images import Preprocessing
from algan_ad.runtime.model_folder import CONFIG, ModelConfig
from algan_ad.runtime.predictor import Predictor
from algan_ad.runtime.self_test import SELF_TEST, check_scores
from algan_ad.service.inspection.causes import MODEL, NotInspected
from algan_ad.service.record.audit_log import note
from algan_ad.service.record.record import Record
from algan_ad.service.record.tables import ModelRow
from algan_ad.service.thresholds.versions import adopt

DECIDING = (".safetensors", ".onnx", ".xml", ".bin")  # files of tensors and networks
TESTED = 16  # samples of a self-test, evenly spread: a start shall not wait for all; `algan info --self-test` takes all
#: Opens a model folder. `cli/serve.py` hands over the one door, `workflows/load.py`.
Load = Callable[[Path], Predictor]


@dataclass(frozen=True)
class Served:
    """A model in service. `id` is that of its row; `hash` is that of all that decides a score."""

    name: str
    version: int
    id: int
    hash: str
    predictor: Predictor
    preprocessing: Preprocessing
    draws_maps: bool


class Models:
    """The models of a station, by name. Raises AlganError at once for one that cannot be served."""

    def __init__(self, folders: Mapping[str, Path], load: Load, record: Record, maps: bool) -> None:
        self._folders, self._load, self._record, self._maps = dict(folders), load, record, maps
        self._replacing = Lock()
        self._served = {name: self._open(name, "station") for name in self._folders}

    def __iter__(self) -> Iterator[Served]:
        return iter(list(self._served.values()))

    def get(self, name: str | None) -> Served:
        """The model of a name; None: the only one. Raises NotInspected when there is none."""
        if name is None:
            if len(self._served) != 1:
                raise NotInspected(MODEL, f"name a model, one of {', '.join(self._served)}")
            (name,) = self._served
        served = self._served.get(name)
        if served is None:
            raise NotInspected(MODEL, f"no model {name!r}; there are {', '.join(self._served)}")
        if name in self.missing():
            raise NotInspected(MODEL, f"the folder of the model {name} is gone; put it back")
        return served

    def missing(self) -> list[str]:
        """The models whose folder is gone. They are out of service until it is back."""
        return [name for name, folder in self._folders.items() if not (folder / CONFIG).is_file()]

    def replace(self, name: str, by: str) -> Served:
        """Read the folder of a model again and serve what it holds now.

        Raises NotInspected for an unknown name, AlganError for a model that fails; the former one then stays.
        """
        former = self.get(name)
        with self._replacing:
            new = self._open(name, by)
            self._record.write(
                lambda session: note(session, by, "replace model", name, former=former.hash, new=new.hash)
            )
            self._served[name] = new
        return new

    def _open(self, name: str, by: str) -> Served:
        folder = self._folders[name]
        predictor = self._load(folder)
        config = predictor.config
        if config.preprocessing is None:
            raise InputError(f"{folder}: this model scores vectors, and a station inspects images")
        if config.calibration is None:
            raise InputError(f"{folder}: this model has no calibration: train it again to get a threshold")
        draws_maps = self._maps and config.maps is not None and _maps_work(predictor)
        try_out(predictor, folder)
        if SELF_TEST in config.files:  # a copy for others travels without these samples
            check_scores(predictor.scorer, config, folder, most=TESTED)
        row = self._record.write(lambda session: _row(session, name, config, by))
        return Served(name, row.version, row.id, row.hash, predictor, config.preprocessing, draws_maps)


def find_models(paths: Sequence[Path]) -> dict[str, Path]:
    """Model folders by their names: the given ones, and those directly inside a folder that is none itself.

    Raises InputError when there is none, or two of the same name.
    """
    found: dict[str, Path] = {}
    for path in paths:
        inside = sorted(each.parent for each in path.glob(f"*/{CONFIG}"))
        if not inside and not path.is_dir():
            raise InputError(f"{path}: no such model folder; check the path")
        for folder in [path] if (path / CONFIG).is_file() or not inside else inside:
            name = folder.resolve().name
            if name in found:
                raise InputError(f"{folder}: another model is named {name!r}, too; rename its folder")
            found[name] = folder
    if not found:
        raise InputError("expected at least one model folder")
    return found


def try_out(predictor: Predictor, folder: Path) -> None:
    """Score two made-up images. Raises AlganError unless the scores are numbers."""
    scores = predictor.whole.score(_made_up(predictor))
    if scores.shape != (2,) or not np.isfinite(scores).all():
        raise AlganError(f"{folder}: the model fails its trial: the scores of two images are {scores.tolist()}")


def _maps_work(predictor: Predictor) -> bool:
    try:
        predictor.whole.score_and_maps(_made_up(predictor))
    except (InputError, ImportError):  # a network that gives scores only
        return False
    return True


def _made_up(predictor: Predictor) -> NDArray[np.uint8]:
    """Two images of noise, prepared as the model takes them."""
    assert predictor.config.preprocessing is not None
    picture = np.random.default_rng(0).integers(0, 256, (2, 64, 64, 3), np.uint8)
    return np.stack([predictor.config.preprocessing.apply(each) for each in picture])


def hash_of(config: ModelConfig) -> str:
    """SHA-256 of all that decides a score: the files of tensors and networks, the method, the preprocessing."""
    files = {name: digest for name, digest in config.files.items() if name.endswith(DECIDING)}
    values = config.model_dump(mode="json", include={"method", "preprocessing", "plan"}) | {"files": files}
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()


def _row(session: Session, name: str, config: ModelConfig, by: str) -> ModelRow:
    """The row of a model, added when it is new, with the threshold of its folder."""
    digest = hash_of(config)
    row = session.scalar(select(ModelRow).where(ModelRow.name == name, ModelRow.hash == digest))
    if row is None:
        newest = session.scalar(select(func.max(ModelRow.version)).where(ModelRow.name == name)) or 0
        row = ModelRow(name=name, version=newest + 1, hash=digest, method=config.method, loaded=0, at=now())
        session.add(row)
    row.loaded = 1 + (session.scalar(select(func.max(ModelRow.loaded))) or 0)
    session.flush()
    assert config.calibration is not None
    adopt(session, row.id, config.calibration, by)
    return row
