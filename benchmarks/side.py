"""Another library in an environment and a process of its own, which works when it is asked to and idles meanwhile."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any


class Side:
    """A script beside this file, run by the Python of another environment on one thread.

    It reads a command from each line and writes an answer to each line, both JSON.
    """

    def __init__(self, python: Path, script: str, *arguments: object) -> None:
        self.process = subprocess.Popen(  # -I: otherwise `import anomalib` would find the file of that name
            [python, "-I", Path(__file__).with_name(script), *map(str, arguments)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            env=os.environ | {"OMP_NUM_THREADS": "1", "TQDM_DISABLE": "1"},
        )  # fmt: skip

    def ask(self, do: str, **options: Any) -> dict[str, Any]:
        assert self.process.stdin
        assert self.process.stdout
        print(json.dumps({"do": do, **options}), file=self.process.stdin, flush=True)
        answer: dict[str, Any] = json.loads(self.process.stdout.readline())
        return answer

    def leave(self) -> None:
        self.process.communicate()
