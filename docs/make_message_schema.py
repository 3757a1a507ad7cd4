"""Writes message.schema.json, the JSON schema of the messages that a webhook and a broker get."""

import json
from pathlib import Path

from algan_ad.service.sinks.message import MESSAGE

Path(__file__).with_name("message.schema.json").write_text(json.dumps(MESSAGE.json_schema(), indent=2) + "\n")
