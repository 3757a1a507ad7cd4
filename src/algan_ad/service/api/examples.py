"""Examples in the OpenAPI description."""

INSPECTION = {
    "id": 4711, "at": "2026-11-25T06:00:00.000+00:00", "part": "A-1042", "source": "http", "origin": None,
    "verdict": "anomalous", "cause": None, "reason": None, "score": 3.2, "p_value": 0.01, "threshold": 2.5,
    "threshold_version": 1, "model": "parts", "model_version": 1, "model_hash": "9f" * 32,
    "image_url": "/v1/inspections/4711/image", "map_url": "/v1/inspections/4711/map", "map_low": 0.1, "map_high": 4.2,
    "timing_ms": {"decode": 2.1, "measure": 0.4, "score": 9.8, "store": 3.0}, "judgement": None, "repeated": False,
}  # fmt: skip
NOT_INSPECTED = {
    **dict.fromkeys(INSPECTION), "at": INSPECTION["at"], "part": "A-1043", "source": "http", "model": "parts",
    "verdict": "not inspected", "cause": "overload",
    "reason": "18 inspections are under way; send the part again later",
    "timing_ms": {}, "repeated": False,
}  # fmt: skip
