"""What there is to choose from: every method with what it needs and what it returns."""

from collections.abc import Sequence
from inspect import getdoc, getmodule

from rich.console import Console

from algan_ad.detectors import METHODS
from algan_ad.detectors.shared.contract import Detector
from algan_ad.detectors.shared.trained_by_epochs import TrainingConfig
from algan_ad.runtime.schema import Schema


class Method(Schema):
    """One row of `algan methods`.

    Attributes:
        input: what its default settings take; `backbone` tells whether it looks at images through a frozen network.
        returns: the score, and an anomaly map of its own ("map") or an attribution of the score ("attribution").
        epochs: whether it is trained epoch by epoch (and can be resumed), or fitted once.
    """

    name: str
    family: str
    input: str
    backbone: bool
    returns: tuple[str, ...]
    epochs: bool
    summary: str


def describe_methods() -> list[Method]:
    """In the order of METHODS."""
    return [_describe(name, method) for name, method in METHODS.items()]


def _describe(name: str, method: type[Detector]) -> Method:
    takes = method(method.Config(), "cpu").input
    where = ("map",) if method.draws_maps else ("attribution",) if takes == "image" else ()
    return Method(
        name=name,
        family=method.family,
        input=takes,
        backbone="backbone" in method.Config.model_fields,
        returns=("score", *where),
        epochs=issubclass(method.Config, TrainingConfig),
        summary=_summary(method),
    )


def _summary(method: type[Detector]) -> str:
    """The first sentence of the module that the method lives in."""
    lines = (getdoc(getmodule(method)) or "").split("\n\n")[0].split("\n")
    return " ".join(lines).rstrip(".")


def show_methods(console: Console, methods: Sequence[Method]) -> None:
    """By family: the name, what goes in, how it is fitted, what comes out, and what it is."""
    width = max(len(each.name) for each in methods)
    for family in dict.fromkeys(each.family for each in methods):
        console.print(f"\n{family}")
        for each in methods:
            if each.family == family:
                fitted = "trained by epochs" if each.epochs else "fitted once"
                console.print(f"  {each.name:{width}}  {_needs(each)}; {fitted}; returns {' and '.join(each.returns)}")
                console.print(f"  {'':{width}}  {each.summary}", soft_wrap=True)


def _needs(method: Method) -> str:
    if not method.backbone:
        return f"{method.input}s"
    return "images, a backbone" if method.input == "image" else "vectors, or images and a backbone"
