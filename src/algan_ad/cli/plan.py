"""`algan plan`."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from tyro.conf import Positional, arg

from algan_ad.cli.parsing import Json
from algan_ad.cli.trainings import parse_training


@dataclass
class Plan:
    """The plan of a training as JSON on standard output: every setting with its value, origin and reason.

    Nothing is trained. Edit the values, and hand the file to `algan train PATH --plan FILE`.
    """

    path: Annotated[Positional[Path], arg(help="a folder or list of images, or a table of vectors")]
    json: Json = False


def verb(argv: list[str]) -> int:
    asked = parse_training(Plan, "plan", argv)
    from algan_ad.workflows.wishes import plan

    found = plan(asked.path, asked.method, config=asked.config, **asked.options)
    print(json.dumps(found, allow_nan=False, indent=None if asked.values.json else 2))
    return 0
