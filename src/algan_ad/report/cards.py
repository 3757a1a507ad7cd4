"""README.md of a model folder: the nature of the model, its origin and its limits."""

import re
from collections.abc import Sequence

from algan_ad.runtime.environment import render
from algan_ad.runtime.model_folder import ModelConfig
from algan_ad.runtime.protocols import WORDS

#: Origin of a setting's value, in the words of reports and cards.
ORIGINS = {"fixed": "fixed", "derived": "derived", "user": "set by the user"}


def model_card(config: ModelConfig, pictures: Sequence[str], repo_id: str | None = None) -> str:
    """The card as Markdown. `pictures` are image files that lie in the same folder; `repo_id` is its place on a hub."""
    card = render(
        "card.md.j2",
        config=config,
        note=WORDS[config.protocol].note,
        origins=ORIGINS,
        pictures=pictures,
        repo_id=repo_id,
    )
    return re.sub(r"\n{3,}", "\n\n", card)
