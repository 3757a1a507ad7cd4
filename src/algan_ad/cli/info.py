"""`algan info`."""

from dataclasses import asdict, dataclass
from typing import Annotated, Literal

from tyro.conf import arg

from algan_ad.cli.parsing import Json, ModelFolder, Provider, Threads, emit, parse


@dataclass
class Info:
    """Show a model: method, plan with fixed / derived / user marks, data, threshold and its promise."""

    model: ModelFolder
    self_test: Annotated[
        bool, arg(help="score the samples that travel with network.onnx, and compare with the trained model's scores")
    ] = False
    runtime: Annotated[Literal["onnx", "openvino"], arg(help="the runtime of the self-test")] = "onnx"
    threads: Threads = None
    provider: Provider = None
    json: Json = False


def verb(argv: list[str]) -> int:
    o = parse(Info, "info", argv)
    from algan_ad.cli.show import show_model
    from algan_ad.runtime.model_folder import verify_model
    from algan_ad.runtime.running import Running
    from algan_ad.runtime.self_test import self_test

    config = verify_model(o.model)
    running = Running(runtime=o.runtime, threads=o.threads, provider=o.provider)
    agreement = self_test(o.model, running) if o.self_test else None
    result = config.model_dump(mode="json") | ({} if agreement is None else {"self_test": asdict(agreement)})
    return emit(result, o.json, lambda console: show_model(console, o.model, config, agreement))
