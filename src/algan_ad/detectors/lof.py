"""Local outlier factor (Breunig, Kriegel, Ng & Sander, 2000; thesis 3.1.3)."""

from pydantic import Field

from algan_ad.detectors.shared.classical import ClassicalConfig, ClassicalDetector, Matrix, ScoreRows, refuse_above


class LofConfig(ClassicalConfig):
    """The default is that of PyOD's benchmark."""

    k: int = Field(20, ge=1, le=10_000, description="number of neighbours in the training data (MinPts of the paper)")


class Lof(ClassicalDetector):
    """The score is the factor: about 1 for a sample that lies as densely as its neighbours, otherwise more."""

    name = "lof"
    Config = LofConfig
    config: LofConfig

    def scorer(self, rows: Matrix, seed: int) -> ScoreRows:
        from sklearn.neighbors import LocalOutlierFactor

        refuse_above("k", self.config.k, len(rows) - 1)  # a sample is not its own neighbour
        factor = LocalOutlierFactor(n_neighbors=self.config.k, novelty=True).fit(rows)
        return lambda x: -factor.score_samples(x)
