"""PyOD's side of `speed_pyod.py`, run by the Python of an environment of its own (`side.py`).

python -I benchmarks/speed_pyod_side.py ROWS.npz
"""

import json
import sys
import time
from typing import Any

import numpy as np
import pyod
import sklearn
from pyod.models.ecod import ECOD
from pyod.models.hbos import HBOS
from pyod.models.iforest import IForest
from pyod.models.knn import KNN
from pyod.models.lof import LOF
from pyod.models.ocsvm import OCSVM

METHODS = {each.__name__: each for each in (KNN, LOF, OCSVM, IForest, ECOD, HBOS)}


class PyodSide:
    def __init__(self, rows: str) -> None:
        held = np.load(rows)
        self.train, self.test = held["train"], held["test"]
        self.models: dict[str, Any] = {}

    def versions(self) -> dict[str, str]:
        return {"pyod": pyod.__version__, "pyod's scikit-learn": sklearn.__version__}

    def fit(self, name: str) -> dict[str, Any]:
        start = time.process_time()
        self.models[name] = METHODS[name](**({"random_state": 0} if name == "IForest" else {})).fit(self.train)
        return {"seconds": time.process_time() - start}

    def score(self, name: str, chosen: list[int], one_by_one: bool) -> dict[str, Any]:
        rows = self.test[chosen]
        batches = np.split(rows, len(rows)) if one_by_one else [rows]
        start = time.process_time()
        for batch in batches:
            self.models[name].decision_function(batch)
        return {"seconds": time.process_time() - start}


def main() -> None:
    side = PyodSide(*sys.argv[1:])
    for line in sys.stdin:
        command = json.loads(line)
        print(json.dumps(getattr(side, command.pop("do"))(**command)), flush=True)


if __name__ == "__main__":
    main()
