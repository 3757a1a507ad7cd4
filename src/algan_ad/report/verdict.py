"""The first sentence of a report: the findings of the model in plain words."""

from algan_ad.evaluation.results import Evaluation
from algan_ad.runtime.numbers import percent


def verdict(evaluation: Evaluation, things: str) -> str:
    """Numbers of defective things found and of good things flagged, beside the promise.

    `things` names the samples, for instance "parts". A model without a threshold gets a sentence on its ranking; ""
    where nothing can be said.
    """
    e = evaluation
    if e.threshold is None:
        return "" if e.image_auroc is None else _ranking(e.image_auroc, things)
    said = []
    if e.n_anomalous:
        found = sum(image.label == 1 and image.anomalous is True for image in e.images)
        said.append(f"{found} of {e.n_anomalous} defective {things} {_were(e.n_anomalous)} found")
    if e.n_normal:
        flagged = sum(image.label == 0 and image.anomalous is True for image in e.images)
        rate = percent(e.realised_false_alarm_rate)
        said.append(
            f"{flagged} of {e.n_normal} good {things} {_were(flagged)} flagged by mistake ({rate}; {_promise(e)})"
        )
    return "; ".join(said) + "." if said else ""


def _were(n: int) -> str:
    return "was" if n == 1 else "were"


def _promise(e: Evaluation) -> str:
    """The wanted rate if enough good samples were held out to keep it, else the rate that they can keep; or none."""
    wanted = e.false_alarm_rate or 0
    if e.guaranteed_false_alarm_rate is None:
        return f"wanted: at most {percent(wanted)}; nothing is promised"
    return f"promised: at most {percent(max(wanted, e.guaranteed_false_alarm_rate))} on average"


def _ranking(auroc: float, things: str) -> str:
    return (
        f"Without a threshold this model ranks {things} and decides nothing. In {percent(auroc)} of all pairs of a "
        "defective and a good one, it gives the defective one the higher score."
    )
