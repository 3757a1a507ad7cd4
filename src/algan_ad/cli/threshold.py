"""`algan threshold`."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

from tyro.conf import arg

from algan_ad.cli.parsing import Json, ModelFolder, emit, parse
from algan_ad.runtime.errors import InputError, Option

if TYPE_CHECKING:
    from algan_ad.runtime.calibration import Calibration


@dataclass
class Threshold:
    """Show the threshold of a model and the rates that its held-out scores allow, or set another one.

    The weights stay as they are, no training is needed, and the model keeps a record of every change.
    """

    model: ModelFolder
    false_alarm_rate: Annotated[float | None, arg(help="wanted share of good parts flagged, from now on")] = None
    reason: Annotated[str | None, arg(help="recorded beside the change")] = None
    json: Json = False


def verb(argv: list[str]) -> int:
    o = parse(Threshold, "threshold", argv)
    from algan_ad.cli.show import show_threshold
    from algan_ad.runtime.model_folder import read_model
    from algan_ad.workflows.threshold import change_false_alarm_rate

    if o.false_alarm_rate is None:
        if o.reason is not None:
            raise InputError(Option("reason", o.reason), " belongs to a change; set ", Option("false_alarm_rate"))
        config, _ = read_model(o.model)
    else:
        config = change_false_alarm_rate(o.model, o.false_alarm_rate, o.reason)
    calibration = config.calibration
    if calibration is None:
        raise InputError(f"{o.model}: this model has no calibration: train it again to get a threshold")
    result = {
        "model": str(o.model),
        **_facts(calibration),
        "n_held_out": calibration.n,
        "promise": calibration.explain(),
        "choices": [_facts(each) for each in calibration.choices()],
        "threshold_history": config.model_dump(mode="json")["threshold_history"],
    }
    return emit(result, o.json, lambda console: show_threshold(console, calibration))


def _facts(calibration: "Calibration") -> dict[str, Any]:
    return {
        "false_alarm_rate": calibration.false_alarm_rate,
        "guaranteed_rate": calibration.guaranteed_rate,
        "threshold": calibration.threshold,
    }
