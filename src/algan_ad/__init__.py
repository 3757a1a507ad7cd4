"""Anomaly detection that learns from normal examples only.

    import algan_ad

    model = algan_ad.train("parts/", method="algan-image", out="models/parts")
    model = algan_ad.load_model("models/parts")
    model.predict("new part.png")[0]            # Prediction(score, p_value, anomalous, threshold, source)
    algan_ad.ALGANDetector().fit(X).predict(Y)  # scikit-learn's contract, on feature vectors

Importing this package is light: torch comes in with the first name that needs it.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from algan_ad.runtime.calibration import Calibration as Calibration
from algan_ad.runtime.errors import AlganError as AlganError
from algan_ad.runtime.errors import InputError as InputError
from algan_ad.runtime.errors import TrainingDiverged as TrainingDiverged
from algan_ad.runtime.prediction import Prediction as Prediction

if TYPE_CHECKING:
    from algan_ad.detectors import METHODS as METHODS
    from algan_ad.estimator import ALGANDetector as ALGANDetector
    from algan_ad.evaluation.results import Evaluation as Evaluation
    from algan_ad.workflows.evaluate import evaluate as evaluate
    from algan_ad.workflows.model import Model as Model
    from algan_ad.workflows.model import load_model as load_model
    from algan_ad.workflows.samples import DataSettings as DataSettings
    from algan_ad.workflows.train import train as train

__version__ = "0.1.0"

_HOMES = {
    "ALGANDetector": "algan_ad.estimator",
    "DataSettings": "algan_ad.workflows.samples",
    "Evaluation": "algan_ad.evaluation.results",
    "METHODS": "algan_ad.detectors",
    "Model": "algan_ad.workflows.model",
    "evaluate": "algan_ad.workflows.evaluate",
    "load_model": "algan_ad.workflows.model",
    "train": "algan_ad.workflows.train",
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
