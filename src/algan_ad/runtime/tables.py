"""What `algan info` shows of a model."""

from pathlib import Path

from rich.console import Console
from rich.table import Table

from algan_ad.runtime.model_folder import ModelConfig


def show_model(console: Console, folder: Path, config: ModelConfig) -> None:
    """The plan with its fixed / derived / user marks, and the facts around it."""
    facts = Table(show_header=False, box=None)
    facts.add_row("model", str(folder))
    facts.add_row("method", config.method)
    facts.add_row("protocol", config.protocol + (" (labels selected the epoch)" if config.protocol == "thesis" else ""))
    facts.add_row("weights", config.selection)
    facts.add_row("seed", str(config.seed))
    for name, value in config.training.items():
        facts.add_row(name, str(value))
    facts.add_row("made with", ", ".join(f"{name} {version}" for name, version in config.versions.items()))
    console.print(facts)
    if config.calibration is not None:
        console.print(config.calibration.explain(), soft_wrap=True)
    plan = Table("setting", "value", "origin", box=None)
    for name, entry in config.plan.items():
        plan.add_row(name, str(entry.value), entry.origin, style=None if entry.origin == "fixed" else "bold")
    console.print(plan)
