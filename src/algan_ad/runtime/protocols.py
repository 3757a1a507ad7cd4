"""Protocols: the labels that a detector has seen before the final test. Their wording stands here and nowhere else."""

from typing import Literal, NamedTuple, get_args

Protocol = Literal["normal-only", "thesis"]
#: "pyod" exists for the sake of a published table only; no model is trained by it.
BenchmarkProtocol = Literal["normal-only", "thesis", "pyod"]


class Words(NamedTuple):
    """Meaning of a protocol.

    Attributes:
        brief: a clause, for captions, options and the terminal.
        note: whole sentences that stand beside every figure of the protocol.
    """

    brief: str
    note: str


WORDS: dict[str, Words] = {
    "normal-only": Words(
        "no anomaly is seen before the test",
        "No anomalous example took part in training, in selecting the weights or in setting the threshold.",
    ),
    "thesis": Words(
        "labels of half of the test set selected the weights",
        "Labelled test-half data selected the checkpoint: half of the labelled test set served as validation "
        "data, as in the thesis (5.2.4, 5.3). These figures are for comparison with the thesis; a detector "
        "that never saw a labelled anomaly does not get this help.",
    ),
    "pyod": Words(
        "anomalies are among the training data",
        "Anomalies were among the training data: as in PyOD's benchmark, 60 % of all rows were trained on, "
        "whatever they are, without their labels, and the rest was tested. These figures are for comparison "
        "with PyOD's table. No threshold was set.",
    ),
}


def named(protocol: str) -> str:
    """The protocol and its meaning, for the end of a caption."""
    return f"Protocol {protocol}: {WORDS[protocol].brief}"


def described() -> str:
    """The protocols by which models are trained, for the help of an option."""
    return "; ".join(f"{protocol}: {WORDS[protocol].brief}" for protocol in get_args(Protocol))
