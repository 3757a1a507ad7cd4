"""Mahalanobis distance with the covariance of Ledoit and Wolf (2004), well conditioned for n < d."""

from algan_ad.detectors.shared.classical import ClassicalConfig, ClassicalDetector, Matrix, ScoreRows


class MahalanobisConfig(ClassicalConfig):
    """No settings of its own, because the shrinkage follows from the data."""


class Mahalanobis(ClassicalDetector):
    """The score is the squared distance from the mean."""

    name = "mahalanobis"
    Config = MahalanobisConfig
    config: MahalanobisConfig

    def scorer(self, rows: Matrix, seed: int) -> ScoreRows:
        from sklearn.covariance import LedoitWolf

        return LedoitWolf().fit(rows).mahalanobis  # type: ignore[no-any-return]
