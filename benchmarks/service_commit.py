"""Processor time of the transaction that records a part, beside its inference.

    algan demo && python benchmarks/service_commit.py demo/model demo/plates/test --parts 300

Parts are scored and recorded in turns, as a station does, so that neither finds its code and data in the processor's
caches. The time of a clock would say more about the disk and about what else runs. To compare with another version, run
this file in turns with PYTHONPATH on the sources of either. Prints one JSON object, in ms of processor time for a part.
"""

import argparse
import json
import tempfile
import time
from pathlib import Path

from algan_ad.service.inspection.commit import Committer, Outcome
from algan_ad.service.inspection.part import Part
from algan_ad.service.inspection.scoring import score_parts
from algan_ad.service.models import Models
from algan_ad.service.record.database import url_of
from algan_ad.service.record.record import Record
from algan_ad.service.settings import Settings
from algan_ad.workflows.load import load_model
from service_load import pictures

WARM_UP = 20  # parts that are not counted


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("images", type=Path)
    parser.add_argument("--parts", type=int, default=300)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        record, settings = Record(url_of(Path(name))), Settings(station=Path(name))
        served = Models({options.model.name: options.model}, lambda path: load_model(path, threads=1), record, True)
        model, committer = served.get(None), Committer(record.secret, settings.audit_share)
        scoring, recording = [], []
        for i, content in enumerate(pictures(options.images, WARM_UP + options.parts)):
            part, start = Part(content, f"part-{i}"), time.process_time()
            (scored,) = score_parts(model, [part], settings)
            outcome, middle = Outcome(part, scored, "0" * 64, "1" * 64), time.process_time()
            record.write(lambda session, outcome=outcome: committer.add(session, model, [outcome]))
            scoring.append(middle - start)
            recording.append(time.process_time() - middle)
        record.close()
    means = {name: 1000 * sum(times[WARM_UP:]) / options.parts
             for name, times in (("decode_and_inference", scoring), ("transaction", recording))}  # fmt: skip
    print(json.dumps({"parts": options.parts} | {name: round(mean, 2) for name, mean in means.items()}))


if __name__ == "__main__":
    main()
