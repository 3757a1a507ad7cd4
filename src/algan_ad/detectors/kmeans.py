"""k-means (MacQueen, 1967; thesis 3.1.3)."""

from pydantic import Field

from algan_ad.detectors.shared.classical import ClassicalConfig, ClassicalDetector, Matrix, ScoreRows, refuse_above


class KmeansConfig(ClassicalConfig):
    """The thesis gives no settings; the number of clusters is scikit-learn's default."""

    clusters: int = Field(8, ge=1, le=10_000, description="number of centres")


class Kmeans(ClassicalDetector):
    """The score is the Euclidean distance to the nearest centre."""

    name = "kmeans"
    Config = KmeansConfig
    config: KmeansConfig

    def scorer(self, rows: Matrix, seed: int) -> ScoreRows:
        from sklearn.cluster import KMeans

        refuse_above("clusters", self.config.clusters, len(rows))
        centres = KMeans(self.config.clusters, n_init=10, random_state=seed).fit(rows)
        return lambda x: centres.transform(x).min(1)
