"""The options of `algan train` and `algan plan`, which follow from the method."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

from tyro.conf import arg

from algan_ad.cli.help import options_of
from algan_ad.cli.parsing import parse


@dataclass(frozen=True)
class Training:
    """A command line as `train` takes it. `options` and `config` hold what the command names, and nothing else.

    name: of the method that it will be. values: everything parsed.
    """

    path: Path
    name: str
    method: str
    config: dict[str, Any]
    options: dict[str, Any]
    values: Any


def parse_training(verb: type[Any], name: str, argv: list[str]) -> Training:
    """Parse a verb that is a dataclass with a `path`, together with the options of a training."""
    from algan_ad.detectors import METHODS, find_method
    from algan_ad.workflows.options import PLANNED, TrainOptions

    asked = _peek(argv, "--method") or "auto"
    method = find_method(_derived_method(argv) if asked == "auto" else asked)
    explanation = arg(
        help=f"one of {', '.join(METHODS)}; its own options are listed below",
        help_behavior_hint="(default: by the data)",  # also where one is chosen
    )
    general = options_of(TrainOptions, None if name == "train" else (*PLANNED, "threads", "strict"))
    own, group = options_of(method.Config), method.name.replace("-", "_")  # which heads them in the help
    options: list[Any] = [
        ("method", Annotated[str, explanation], method.name),
        ("training", general, field(default_factory=general)),
        (group, own, field(default_factory=own)),
    ]
    kind = dataclasses.make_dataclass(verb.__name__, options, bases=(verb,))
    found = parse(kind, name, argv, verb.__doc__)
    config, chosen = (_given(part, argv) for part in (getattr(found, group), found.training))
    return Training(found.path, method.name, asked, config, chosen, found)


def _given(values: object, argv: Sequence[str]) -> dict[str, Any]:
    """Of the parsed options, those that the command line names: what it leaves out is for others to decide."""
    words = (word.split("=", 1)[0].removeprefix("--") for word in argv if word.startswith("--"))
    named = {name.removeprefix("no-").replace("-", "_") for name in words}
    return {name: value for name, value in vars(values).items() if name in named}


def _peek(argv: Sequence[str], option: str) -> str | None:
    """The value of an option that decides which further options there are; given twice, the last counts."""
    found = None
    for i, word in enumerate(argv):
        if word == option and i + 1 < len(argv):
            found = argv[i + 1]
        elif word.startswith(option + "="):
            found = word.split("=", 1)[1]
    return found


def _derived_method(argv: Sequence[str]) -> str:
    """The method of the plan that the command names, or else for the data: a table, if one of its words is one."""
    from algan_ad.runtime.vectors import SUFFIXES
    from algan_ad.workflows.self_configure import derive_method
    from algan_ad.workflows.wishes import read_plan

    if (file := _peek(argv, "--plan")) is not None:
        return str(read_plan(file).method.value)
    tables = [word for word in argv if word.lower().endswith(SUFFIXES) and not word.startswith("-")]
    return str(derive_method(tables[0] if tables else ".").value)
