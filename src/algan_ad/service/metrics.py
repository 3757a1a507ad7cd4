"""Figures of a running station, for Prometheus: stages, verdicts, scores, queue, disk, alarms, drift.

A source or a sink adds its own to `Metrics.registry`.
"""

from collections import defaultdict, deque
from collections.abc import Iterator

import numpy as np
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from algan_ad.service.inspection.part import Inspection

RECENT = 1000  # scores that the quantiles are of
QUANTILES = (0.05, 0.5, 0.95)
_SECONDS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5)


class Metrics:
    """The figures of one station, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._stages = Histogram(
            "algan_stage_seconds", "Time of a stage of an inspection", ["stage"], registry=self.registry,
            buckets=_SECONDS,
        )  # fmt: skip
        self._verdicts = Counter(
            "algan_inspections", "Inspections by verdict and cause", ["model", "verdict", "cause"],
            registry=self.registry,
        )  # fmt: skip
        self._quantiles = Gauge(
            "algan_score_quantile", f"Quantiles of the newest {RECENT} scores", ["model", "quantile"],
            registry=self.registry,
        )  # fmt: skip
        self.inside = Gauge("algan_inspections_inside", "Inspections that run or wait", registry=self.registry)
        self.free_bytes = Gauge("algan_disk_free_bytes", "Free space of the station's disk", registry=self.registry)
        self.waiting = Gauge(
            "algan_outbox_waiting", "Messages that a sink has not taken", ["sink"], registry=self.registry
        )
        self.faults = Gauge("algan_fault", "1 for a fault that stands now", ["cause"], registry=self.registry)
        self.alarms = Gauge("algan_alarms", "Open alarms", ["kind", "model"], registry=self.registry)
        self.drift = Gauge(
            "algan_drift_evidence", "Evidence of a change, as a share of what raises an alarm", ["model", "figure"],
            registry=self.registry,
        )  # fmt: skip
        self._recent: defaultdict[str, deque[float]] = defaultdict(lambda: deque(maxlen=RECENT))

    def observe(self, stage: str, seconds: float) -> None:
        """Count the time of a stage."""
        self._stages.labels(stage).observe(seconds)

    def count(self, inspection: Inspection) -> None:
        """Count an inspection, its score and the time of its stages."""
        model = inspection.model if inspection.cause != "model" else ""  # a name that anybody may make up
        self._verdicts.labels(model, inspection.verdict, inspection.cause or "").inc()
        for stage, milliseconds in inspection.timing_ms.items():
            self.observe(stage, milliseconds / 1000)
        if inspection.score is not None:
            self._recent[model].append(inspection.score)

    def text(self) -> bytes:
        """All figures in Prometheus's format."""
        for model, scores in self._each_recent():
            for quantile, value in zip(QUANTILES, np.quantile(scores, QUANTILES), strict=True):
                self._quantiles.labels(model, quantile).set(value)
        return generate_latest(self.registry)

    def _each_recent(self) -> Iterator[tuple[str, list[float]]]:
        for model in list(self._recent):
            yield model, list(self._recent[model])
