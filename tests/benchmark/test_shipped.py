import json
import re
import subprocess
import sys
from importlib import metadata

from algan_ad.benchmark.plan_files import read_plan
from algan_ad.benchmark.shipped import titles

# By the name that is imported, where it is another than the package's.
IMPORTED = {"faiss-cpu": "faiss", "freia": "FrEIA", "scikit-learn": "sklearn"}


def test_titles_are_those_of_the_plans() -> None:
    listed = titles()
    assert len(listed) > 20
    for name, title, reference in listed:
        plan = read_plan(name)
        assert (plan.title, plan.reference) == (title, reference)


LIST = """
import sys
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {absent}:
            raise ModuleNotFoundError("No module named " + name, name=name)
sys.meta_path.insert(0, Absent())
from algan_ad.cli import run
sys.exit(run(["benchmark", "list", "--json"]))
"""


def test_plans_are_listed_with_the_core_install_alone() -> None:
    """Whatever an extra brings is as if it were not installed."""
    wanted = [text for text in metadata.requires("algan-ad") or () if "extra ==" in text]
    extras = {re.split(r"[^\w-]", text)[0] for text in wanted}
    assert {"torch", "filelock"} <= extras
    code = LIST.format(absent={IMPORTED.get(name, name) for name in extras})
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "thesis/table-5.2" in [plan["name"] for plan in json.loads(done.stdout)["plans"]]
