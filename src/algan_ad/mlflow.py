"""Models in MLflow, as a `python_function`. It needs no torch where the model folder holds a network.

    import algan_ad.mlflow

    info = algan_ad.mlflow.log_model("models/parts", name="parts")
    model = mlflow.pyfunc.load_model(info.model_uri)
    table = model.predict(pandas.DataFrame({"image": ["new.png"]}))

A model of images takes a column `image` of paths, of the bytes of image files, or of pixels, uint8 (H, W, 3). A model
of vectors takes their columns, or an array (N, d). The result has the columns source, score, p_value, threshold and
anomalous, as a table of predictions has them.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray

from algan_ad import __version__
from algan_ad.runtime.copies import copy_model
from algan_ad.runtime.errors import InputError, MissingExtra
from algan_ad.runtime.images import decode
from algan_ad.runtime.model_folder import ModelConfig
from algan_ad.runtime.prediction import Prediction
from algan_ad.runtime.predictor import Predictor
from algan_ad.runtime.running import NETWORK
from algan_ad.workflows.load import load_model as load_folder

try:
    import mlflow
    import pandas as pd
    from mlflow.models import ModelSignature
    from mlflow.types.schema import AnyType, ColSpec, DataType, Schema, TensorSpec
except ImportError as error:
    raise MissingExtra("algan_ad.mlflow needs pip install 'algan-ad[tracking]'") from error

IMAGE = "image"


def save_model(folder: str | Path, path: str | Path, **options: Any) -> None:
    """Save a model folder as a model of MLflow, in the local folder `path`, which must not exist.

    `options` are those of `mlflow.pyfunc.save_model`. Reports beside the model are left out. Raises InputError as
    `load_model` of this package does.
    """
    with _as_pyfunc(folder) as model:
        mlflow.pyfunc.save_model(str(path), **model, **options)


def log_model(folder: str | Path, name: str = "model", **options: Any) -> Any:
    """Log a model folder to the run that is under way, or to a new one. Returns MLflow's `ModelInfo`.

    `options` are those of `mlflow.pyfunc.log_model`, such as `registered_model_name`. Raises as `save_model` does.
    """
    with _as_pyfunc(folder) as model:
        return mlflow.pyfunc.log_model(name=name, **model, **options)


def load_model(model_uri: str) -> Predictor:
    """The model at an address of MLflow, as `algan_ad.load_model` gives it. Raises InputError for another kind."""
    place = Path(mlflow.artifacts.download_artifacts(artifact_uri=model_uri))
    flavor = mlflow.models.Model.load(str(place)).flavors.get("python_function", {})
    if flavor.get("loader_module") != __name__:
        raise InputError(f"{model_uri}: not a model that {__name__} saved")
    return load_folder(place / flavor["data"])


def signature(config: ModelConfig) -> ModelSignature:
    """What a model takes and returns, in MLflow's words."""
    if config.input == "image":
        takes = Schema([ColSpec(AnyType(), IMAGE)])
    elif config.columns:
        takes = Schema([ColSpec(DataType.double, name) for name in config.columns])
    else:
        takes = Schema([TensorSpec(np.dtype(np.float64), (-1, int(str(config.fingerprint["n_features"]))))])
    gives = {
        "source": DataType.string, "score": DataType.double, "p_value": DataType.double, "threshold": DataType.double,
        "anomalous": DataType.boolean,
    }  # fmt: skip
    optional = set(gives) - {"score"}
    return ModelSignature(takes, Schema([ColSpec(kind, n, required=n not in optional) for n, kind in gives.items()]))


@contextmanager
def _as_pyfunc(folder: str | Path) -> Iterator[dict[str, Any]]:
    """The arguments by which MLflow saves a model, with a copy of its folder that holds nothing else."""
    with TemporaryDirectory(prefix="algan-") as place:
        copy = Path(place) / "model"
        config = copy_model(Path(folder), copy)
        package = "algan-ad" if NETWORK in config.files else "algan-ad[train]"
        yield {
            "loader_module": __name__,
            "data_path": str(copy),
            "signature": signature(config),
            "pip_requirements": [f"{package}=={__version__}", "pandas"],
        }


class Pyfunc:
    """A model with the face that MLflow wants."""

    def __init__(self, predictor: Predictor) -> None:
        self.predictor = predictor

    def predict(self, model_input: Any, params: dict[str, Any] | None = None) -> pd.DataFrame:
        """One row for each sample, in their order. Raises InputError for images that cannot be read."""
        found = self._images(model_input) if self.predictor.config.input == "image" else self._vectors(model_input)
        return pd.DataFrame([each.to_dict() for each in found])

    def _vectors(self, given: Any) -> list[Prediction]:
        columns = self.predictor.config.columns
        if isinstance(given, pd.DataFrame):
            given = (given if columns is None else given[list(columns)]).to_numpy()
        return self.predictor.predict(np.asarray(given))

    def _images(self, given: pd.DataFrame) -> list[Prediction]:
        images = list(given[IMAGE])
        if all(isinstance(each, str) for each in images):
            return self.predictor.predict(images)
        return [prediction for each in images for prediction in self.predictor.predict(_readable(each))]


def _load_pyfunc(path: str) -> Pyfunc:
    """MLflow's way in: `path` is the model folder."""
    return Pyfunc(load_folder(path))


def _readable(image: Any) -> str | NDArray[np.uint8]:
    """A path, or pixels (H, W, 3); of a JSON request they are lists of numbers."""
    if isinstance(image, bytes):
        return decode(image)
    if isinstance(image, list):
        return np.array(image, np.uint8)
    return image  # type: ignore[no-any-return]
