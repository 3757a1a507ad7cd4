"""The seconds-fast settings of each method lie beside the tests of the methods."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "detectors"))
