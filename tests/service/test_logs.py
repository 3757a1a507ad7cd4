"""Logs that say what failed, and no secret."""

import json
import subprocess
import sys

FAILING = """
import structlog
from algan_ad.service.logs import log_as_json

def check(token):
    raise ValueError("it failed")

log_as_json()
try:
    check("algan_secret")
except ValueError:
    structlog.get_logger("test").exception("failed", part="p1")
"""


def test_a_traceback_without_the_values_of_variables() -> None:
    done = subprocess.run([sys.executable, "-c", FAILING], capture_output=True, text=True, check=True)
    line = json.loads(done.stderr)
    assert (line["part"], line["exception"][0]["exc_value"]) == ("p1", "it failed")
    assert [each["name"] for each in line["exception"][0]["frames"]][-1] == "check"
    assert "secret" not in done.stderr
