"""Isolation forest (Liu, Ting & Zhou, 2008)."""

from pydantic import Field

from algan_ad.detectors.shared.classical import ClassicalConfig, ClassicalDetector, Matrix, ScoreRows


class IsolationForestConfig(ClassicalConfig):
    """The defaults are the paper's."""

    trees: int = Field(100, ge=1, le=10_000, description="number of trees, t (section 4)")
    subsample: int = Field(256, ge=2, description="samples of a tree, psi (section 4); all if there are fewer")


class IsolationForest(ClassicalDetector):
    """The score is the paper's s in (0, 1), eq. 2, which is higher the sooner random cuts isolate a sample."""

    name = "isolation-forest"
    Config = IsolationForestConfig
    config: IsolationForestConfig

    def scorer(self, rows: Matrix, seed: int) -> ScoreRows:
        from sklearn.ensemble import IsolationForest as Forest

        c = self.config
        forest = Forest(n_estimators=c.trees, max_samples=min(c.subsample, len(rows)), random_state=seed).fit(rows)
        return lambda x: -forest.score_samples(x)
