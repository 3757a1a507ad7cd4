"""k nearest neighbours (Ramaswamy, Rastogi & Shim, 2000; mean: Angiulli & Pizzuti, 2002; thesis 3.1.3)."""

from typing import Literal

from pydantic import Field

from algan_ad.detectors.shared.classical import ClassicalConfig, ClassicalDetector, Matrix, ScoreRows, refuse_above


class KnnConfig(ClassicalConfig):
    """The defaults are those of PyOD's benchmark."""

    k: int = Field(5, ge=1, le=10_000, description="number of neighbours in the training data")
    distance: Literal["largest", "mean"] = Field("largest", description="the largest of the k distances, or their mean")


class Knn(ClassicalDetector):
    """The score is a Euclidean distance."""

    name = "knn"
    Config = KnnConfig
    config: KnnConfig

    def scorer(self, rows: Matrix, seed: int) -> ScoreRows:
        from sklearn.neighbors import NearestNeighbors

        refuse_above("k", self.config.k, len(rows))
        neighbours = NearestNeighbors(n_neighbors=self.config.k).fit(rows)

        def score(x: Matrix) -> Matrix:
            distances: Matrix = neighbours.kneighbors(x)[0]  # (n, k), increasing
            return distances[:, -1] if self.config.distance == "largest" else distances.mean(1)

        return score
