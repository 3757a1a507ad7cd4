"""Change of the threshold of a trained model, with a record of it. Imports no torch."""

from pathlib import Path

from algan_ad.report.cards import model_card
from algan_ad.runtime.model_folder import CARD, ModelConfig, read_model, rewrite_config
from algan_ad.runtime.progress import log
from algan_ad.runtime.running import NETWORK


def change_false_alarm_rate(folder: str | Path, rate: float, reason: str | None = None) -> ModelConfig:
    """Set another false alarm rate of a model, from the same held-out scores, and record the change.

    The weights stay as they are. The change is added to `threshold_history` in config.json, and the model card
    describes the new threshold; the rate that the model has changes nothing. Returns the new configuration.

    Raises:
        InputError: no model, a damaged one, one without calibration, or a rate outside [1e-6, 1).
        AlganError: the disk is full.
    """
    config, _ = read_model(Path(folder))
    changed = config.with_false_alarm_rate(rate, reason)
    if changed is config:
        return config
    if (reports := Path(folder) / "evaluation").is_dir():
        log(f"warning: {reports} shows the former threshold; evaluate the model again")
    if NETWORK in config.files:
        log(f"warning: {NETWORK} on its own still names the former threshold; algan export brings it up to date")
    pictures = [name for name in config.files if name.endswith(".png")]
    cards = {CARD: model_card(changed, pictures).encode()} if CARD in config.files else {}
    return rewrite_config(Path(folder), changed, cards)
