"""Anomaly detection that learns from normal examples only.

    import algan_ad

    model = algan_ad.train("parts/", out="models/parts")
    model = algan_ad.load_model("models/parts")
    model.predict("new part.png")[0]            # Prediction(score, p_value, anomalous, threshold, source)
    algan_ad.ALGANDetector().fit(X).predict(Y)  # scikit-learn's contract, on feature vectors

Importing this package is light: torch comes in with the first name that needs it.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from algan_ad.runtime.version import __version__

if TYPE_CHECKING:
    from algan_ad.detectors import create_detector, list_methods
    from algan_ad.estimator import ALGANDetector
    from algan_ad.evaluation.results import Evaluation
    from algan_ad.runtime.bulk import predict_files
    from algan_ad.runtime.calibration import Calibration
    from algan_ad.runtime.errors import AlganError, ExportRefused, InputError, MissingExtra, TrainingDiverged
    from algan_ad.runtime.images import Skipped
    from algan_ad.runtime.prediction import Prediction
    from algan_ad.runtime.predictor import Predictor
    from algan_ad.runtime.tables import write_csv
    from algan_ad.workflows.evaluate import evaluate
    from algan_ad.workflows.export import export_model
    from algan_ad.workflows.int8 import quantise_model
    from algan_ad.workflows.load import load_model
    from algan_ad.workflows.model import Model
    from algan_ad.workflows.options import TrainOptions
    from algan_ad.workflows.threshold import change_false_alarm_rate
    from algan_ad.workflows.train import train
    from algan_ad.workflows.wishes import plan

__all__ = [
    "ALGANDetector", "AlganError", "Calibration", "Evaluation", "ExportRefused", "InputError", "MissingExtra", "Model",
    "Prediction", "Predictor", "Skipped", "TrainOptions", "TrainingDiverged", "__version__", "change_false_alarm_rate",
    "create_detector", "evaluate", "export_model", "list_methods", "load_model", "plan", "predict_files",
    "quantise_model", "train", "write_csv",
]  # fmt: skip

_HOMES = {
    "ALGANDetector": "estimator",
    "AlganError": "runtime.errors",
    "Calibration": "runtime.calibration",
    "Evaluation": "evaluation.results",
    "ExportRefused": "runtime.errors",
    "InputError": "runtime.errors",
    "MissingExtra": "runtime.errors",
    "Model": "workflows.model",
    "Prediction": "runtime.prediction",
    "Predictor": "runtime.predictor",
    "Skipped": "runtime.images",
    "TrainOptions": "workflows.options",
    "TrainingDiverged": "runtime.errors",
    "change_false_alarm_rate": "workflows.threshold",
    "create_detector": "detectors",
    "evaluate": "workflows.evaluate",
    "export_model": "workflows.export",
    "list_methods": "detectors",
    "load_model": "workflows.load",
    "plan": "workflows.wishes",
    "predict_files": "runtime.bulk",
    "quantise_model": "workflows.int8",
    "train": "workflows.train",
    "write_csv": "runtime.tables",
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
