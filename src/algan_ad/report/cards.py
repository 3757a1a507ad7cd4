"""README.md of a model folder: what the model is, what it was made from, and what it cannot do."""

import json
import re
from collections.abc import Sequence

from jinja2 import Environment, PackageLoader, StrictUndefined
from pydantic import JsonValue

from algan_ad.runtime.model_folder import ModelConfig

#: Where a setting's value came from, in the words of reports and cards.
ORIGINS = {"fixed": "fixed", "derived": "derived from the data", "user": "set by the user"}

#: What must stand beside every figure of a protocol, in reports and in cards.
PROTOCOL_NOTES = {
    "normal-only": (
        "No anomalous example took part in training, in selecting the weights or in setting the threshold."
    ),
    "thesis": (
        "Labelled test-half data selected the checkpoint: half of the labelled test set served as validation "
        "data, as in the thesis (5.2.4, 5.3). These figures are for comparison with the thesis; a detector "
        "that never saw a labelled anomaly does not get this help."
    ),
}


def model_card(config: ModelConfig, pictures: Sequence[str]) -> str:
    """The card as Markdown. `pictures` are image files that lie in the same folder."""
    environment = Environment(
        loader=PackageLoader("algan_ad.report"),
        autoescape=False,  # noqa: S701 - Markdown: data goes through `text` and `code`
        undefined=StrictUndefined,
        trim_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {"text": _text, "code": _code, "json": json.dumps}
    card = environment.get_template("card.md.j2").render(
        config=config,
        note=PROTOCOL_NOTES[config.protocol],
        origins=ORIGINS,
        pictures=pictures,
    )
    return re.sub(r"\n{3,}", "\n\n", card)


def _text(value: JsonValue) -> str:
    """Data as Markdown that shows it literally, inside a table cell too."""
    return re.sub(r"([\\`*_\[\]<>|#])", r"\\\1", " ".join(str(value).split()))


def _code(text: str) -> str:
    """Data as a code span inside a table cell."""
    return "`" + text.replace("`", "'").replace("|", "\\|") + "`"
