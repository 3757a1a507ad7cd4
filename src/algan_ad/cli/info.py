"""`algan info`."""

from dataclasses import dataclass

from algan_ad.cli.parsing import Json, ModelFolder, emit, parse


@dataclass
class Info:
    """Show a model: method, plan with fixed / derived / user marks, data, threshold and its promise."""

    model: ModelFolder
    json: Json = False


def verb(argv: list[str]) -> int:
    o = parse(Info, "info", argv)
    from algan_ad.cli.show import show_model
    from algan_ad.runtime.model_folder import read_model

    config, _ = read_model(o.model)
    return emit(config.model_dump(mode="json"), o.json, lambda console: show_model(console, o.model, config))
