"""Kernel density estimation (Rosenblatt, 1956; Parzen, 1962; thesis 3.1.3)."""

from pydantic import Field

from algan_ad.detectors.shared.classical import ClassicalConfig, ClassicalDetector, Matrix, ScoreRows


class KdeConfig(ClassicalConfig):
    """Gaussian kernels."""

    bandwidth: float | None = Field(
        None, gt=0, description="deviation of a kernel; None = Scott's rule (1992), n^(-1/(d+4)) times that of the data"
    )


class Kde(ClassicalDetector):
    """The score is minus the log density."""

    name = "kde"
    Config = KdeConfig
    config: KdeConfig

    def scorer(self, rows: Matrix, seed: int) -> ScoreRows:
        from sklearn.neighbors import KernelDensity

        n, d = rows.shape
        deviation = float(rows.var(0).mean() ** 0.5) or 1.0
        density = KernelDensity(bandwidth=self.config.bandwidth or deviation * n ** (-1 / (d + 4))).fit(rows)
        return lambda x: -density.score_samples(x)
