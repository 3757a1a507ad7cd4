"""Models on the Hugging Face Hub, with a card, and without training images or places of the machine that trained them.

from algan_ad import hub

hub.push("models/parts", "me/parts", license="apache-2.0")
model = algan_ad.load_model(hub.pull("me/parts", "models/parts"))
"""

import re
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from algan_ad.report.cards import model_card
from algan_ad.runtime.copies import copy_model, without_places, write_copy
from algan_ad.runtime.errors import InputError, MissingExtra, Option
from algan_ad.runtime.model_folder import CARD, METRICS, WEIGHTS, ModelConfig, verify_model
from algan_ad.runtime.running import NETWORK

try:
    import huggingface_hub as hf
    from huggingface_hub.utils import HFValidationError, validate_repo_id
except ImportError as error:
    raise MissingExtra("algan_ad.hub needs pip install 'algan-ad[hub]'") from error

PICTURES = ("fake-normal.png", "fake-anomalous.png", "buffered.png")  # the generator's
#: Files that travel. Samples of a self-test do not, because they are images of the user.
FILES = (WEIGHTS, NETWORK, METRICS, "region.png", *PICTURES)
#: Figures of an evaluation that a card shows, with the Hub's names of their kinds.
METRIC_TYPES = {
    "image_auroc": "roc_auc", "auprc": "average_precision", "f1_max": "f1", "pixel_auroc": "roc_auc", "aupro": "aupro",
}  # fmt: skip


def push(
    folder: str | Path, repo_id: str, license: str | None = None, private: bool = True, token: str | None = None
) -> str:
    """Upload a model folder to the Hub. Returns the address of the commit.

    Args:
        folder: a model folder. Its evaluation goes into the card as figures, never as images or names.
        repo_id: OWNER/NAME; the repository is made where there is none.
        license: the Hub's identifier of the licence, such as "apache-2.0". The choice is yours; None names none.
        private: of a repository that is made.
        token: None = that of `hf auth login`.

    Raises:
        InputError: no model, a damaged one, or a name that the Hub does not take.
    """
    try:
        validate_repo_id(repo_id)
    except HFValidationError as error:
        raise InputError(Option("repo_id", repo_id), f": {error}") from error
    with TemporaryDirectory(prefix="algan-") as place:
        copy = Path(place) / "model"
        stage(folder, copy, repo_id, license)
        api = hf.HfApi(token=token, library_name="algan-ad")
        api.create_repo(repo_id, private=private, exist_ok=True)
        message = "Model trained with algan-ad"
        return str(api.upload_folder(repo_id=repo_id, folder_path=copy, commit_message=message).commit_url)


def pull(
    repo_id: str, folder: str | Path, revision: str | None = None, token: str | None = None, overwrite: bool = False
) -> Path:
    """Download a model from the Hub into `folder`, verify it, and return `folder`.

    `revision` is a branch, a tag or a commit; None = the latest. Only the files of the model are kept.

    Raises InputError for a repository that holds no model, and for a model in `folder` without `overwrite`.
    """
    found = hf.snapshot_download(repo_id, revision=revision, token=token, library_name="algan-ad")
    copy_model(Path(found), Path(folder), overwrite)
    return Path(folder)


def stage(folder: str | Path, into: str | Path, repo_id: str, license: str | None = None) -> None:
    """Write what `push` uploads into a folder. Raises InputError as `push` does."""
    folder = Path(folder)
    config = verify_model(folder)
    shown = without_places(config)
    pictures = [name for name in PICTURES if name in config.files]
    contents = {name: (folder / name).read_bytes() for name in FILES if name in config.files}
    card = front_matter(folder, shown, repo_id, license) + model_card(shown, pictures, repo_id)
    write_copy(Path(into), shown, {**contents, CARD: card.encode()})


def front_matter(folder: Path, config: ModelConfig, repo_id: str, license: str | None = None) -> str:
    """The YAML that heads a card, with the figures of the evaluations that lie in the model folder."""
    task = "image-classification" if config.input == "image" else "tabular-classification"
    data = hf.ModelCardData(
        license=license, library_name="algan-ad", pipeline_tag=task, model_name=repo_id.rsplit("/", maxsplit=1)[-1],
        tags=["anomaly-detection", "one-class", config.method, *(["onnx"] if NETWORK in config.files else [])],
        eval_results=list(_figures(folder, task)) or None,
    )  # fmt: skip
    return f"---\n{data.to_yaml()}\n---\n\n"


def _figures(folder: Path, task: str) -> Iterator[Any]:
    """Figures of the evaluations in a model folder."""
    files = sorted(folder.glob("evaluation/**/evaluation.json"))
    if not files:
        return
    from algan_ad.evaluation.figures import ACCURACY
    from algan_ad.evaluation.results import read_evaluation

    for file in files:
        evaluation = read_evaluation(file)
        kind = re.sub(r"\W+", "-", evaluation.dataset.lower()).strip("-") or "data"
        for figure in ACCURACY:
            value = getattr(evaluation, figure.key)
            if figure.key in METRIC_TYPES and value is not None:
                yield hf.EvalResult(
                    task_type=task, dataset_type=kind, dataset_name=evaluation.dataset,
                    dataset_args={"protocol": evaluation.protocol}, metric_type=METRIC_TYPES[figure.key],
                    metric_name=figure.title, metric_value=round(value, 4),
                )  # fmt: skip
