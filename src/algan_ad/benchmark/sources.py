"""Data sets of a plan: their places in the folder of data sets, and their contents.

| name | holds | folder, or one of | categories |
|---|---|---|---|
| `demo` | images | none: made from a seed, in the user's cache | |
| `mvtec-ad` | images | `mvtec-ad`, `mvtec_ad`, `mvtec`, `mvtec_anomaly_detection` | bottle, ... |
| `mtd` | images | `mtd` | |
| `coil-100` | images | `coil-100`, `coil100` | |
| `mvtec-features` | vectors | `mvtec-features`, `mvtec_features_resnet18`: `MVTec-AD_CATEGORY.npz` | bottle, ... |
| `tabular` | vectors | `tabular`: `NUMBER_CATEGORY.npz` | those that are there |
| `pyod` | vectors | `pyod`: `CATEGORY.mat` with X and y | those that are there |

The tables are those of ADBench and PyOD. Any other name is a folder of images in that folder, with its categories as
sub-folders, or NAME.npz with X and y.
"""

import difflib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from algan_ad.data.catalog import MVTEC_CATEGORIES
from algan_ad.data.demo import make_demo
from algan_ad.runtime.errors import InputError

Holds = Literal["image", "vector"]

DEMO = "demo"
PYOD = "pyod"  # the data set, and the protocol that it alone has
NO_DATA = "none"  # for a page that has its own


@dataclass(frozen=True)
class Known:
    """A data set with a name. `pattern` finds the tables of a set of vectors; its group is the category."""

    holds: Holds
    folders: tuple[str, ...]
    categories: tuple[str, ...] = ()
    pattern: str | None = None


KNOWN = {
    DEMO: Known("image", ()),
    "mvtec-ad": Known("image", ("mvtec-ad", "mvtec_ad", "mvtec", "mvtec_anomaly_detection"), tuple(MVTEC_CATEGORIES)),
    "mtd": Known("image", ("mtd",)),
    "coil-100": Known("image", ("coil-100", "coil100")),
    "mvtec-features": Known(
        "vector", ("mvtec-features", "mvtec_features_resnet18"), tuple(MVTEC_CATEGORIES), r"MVTec-AD_(\w+)\.npz"
    ),
    "tabular": Known("vector", ("tabular",), (), r"\d+_(\w+)\.npz"),
    PYOD: Known("vector", ("pyod",), (), r"(\w+)\.mat"),
}


@dataclass(frozen=True)
class Sources:
    """Data sets below `root`, an absolute path. With look=False only names are judged, and no file is looked for."""

    root: Path | None
    look: bool = True
    here: Path = field(default_factory=Path.cwd)  # the working folder of the command, not of a worker

    def holds(self, name: str) -> Holds | None:
        """Kind of samples in a data set; None if it is not there."""
        if name in KNOWN:
            return KNOWN[name].holds
        path = self._own(name)
        return None if path is None else "image" if path.is_dir() else "vector"

    def categories(self, name: str, wanted: Sequence[str] = ()) -> list[str | None]:
        """The wanted categories, or all; [None] for a set without any."""
        every: Sequence[str | None] = wanted or self._all(name) or (None,)
        return list(every)

    def problems(self, name: str, wanted: Sequence[str]) -> Iterator[str]:
        """Mistakes in naming this set and these categories, in words."""
        known = KNOWN.get(name)
        if known is None:
            if self.look and self._own(name) is None:
                near = difflib.get_close_matches(name, KNOWN, 1)
                hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(KNOWN)}"
                yield f"data {name!r}: not known, and no folder or .npz file of this name in {self._where()} ({hint})"
            for category in wanted if self.look else ():
                if self._path(name, category) is None:
                    yield f"data {name!r}: no category {category!r} in {self._where()}"
            return
        folder = self._folder(known)
        if self.look and name != DEMO and folder is None:
            yield f"data {name!r}: missing; expected {' or '.join(known.folders)} in {self._where()}"
        every = self._all(name)
        if not every and wanted and known.pattern is None:
            yield f"data {name!r}: has no categories"
        elif folder is not None or known.categories:
            for category in wanted or every:
                if category not in every:
                    yield f"data {name!r}: no category {category!r}; it has {', '.join(every) or 'none'}"
                elif folder is not None and self._path(name, category) is None:
                    yield f"data {name!r}: {category} is missing in {folder}"

    def find(self, name: str, category: str | None) -> Path:
        """The folder of images, or the table. Raises InputError when it is not there."""
        path = self._path(name, category)
        if path is None:
            raise InputError(f"{name}{f'/{category}' if category else ''}: not found in {self._where()}")
        return path

    def find_file(self, path: Path) -> Path | None:
        """A file that a plan names, in the working folder, in the root, or beside it; None if there is none."""
        bases = [self.here, *((self.root, self.root.parent) if self.root else ())]
        return next((base / path for base in bases if (base / path).is_file()), None)

    def _all(self, name: str) -> tuple[str, ...]:
        known = KNOWN.get(name)
        if known is None or known.categories or known.pattern is None:
            return known.categories if known else ()
        return tuple(self._tables(known))

    def _tables(self, known: Known) -> dict[str, Path]:
        """Tables by category."""
        folder, pattern = self._folder(known), re.compile(known.pattern or "")
        found = sorted(folder.iterdir()) if folder else []
        return {match[1]: path for path in found if (match := pattern.fullmatch(path.name))}

    def _path(self, name: str, category: str | None) -> Path | None:
        known = KNOWN.get(name)
        if known is not None and known.pattern is not None:
            return self._tables(known).get(category or "")
        if name == DEMO:
            return demo_folder()
        folder = self._folder(known) if known else self._own(name)
        if folder is None or category is None:
            return folder
        return folder / category if (folder / category).is_dir() else None

    def _folder(self, known: Known) -> Path | None:
        if self.root is None or not self.look:
            return None
        return next((self.root / name for name in known.folders if (self.root / name).is_dir()), None)

    def _own(self, name: str) -> Path | None:
        if self.root is None or not self.look:
            return None
        folder, table = self.root / name, self.root / f"{name}.npz"
        return folder if folder.is_dir() else table if table.is_file() else None

    def _where(self) -> str:
        return str(self.root) if self.root else "the folder of data sets, which is not given"


def demo_folder() -> Path:
    """The demo set, made in the user's cache when it is not there yet."""
    import pooch
    from filelock import FileLock

    folder = Path(pooch.os_cache("algan-ad")) / "benchmark-demo"
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{folder}.lock"):  # several runs may begin at the same time
        return make_demo(folder, size=64, n_train=300, n_good=100, n_per_defect=20)
