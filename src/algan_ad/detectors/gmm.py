"""Gaussian mixture model (thesis 3.1.3), by expectation maximisation (Dempster, Laird & Rubin, 1977)."""

from typing import Literal

from pydantic import Field

from algan_ad.detectors.shared.classical import ClassicalConfig, ClassicalDetector, Matrix, ScoreRows, refuse_above


class GmmConfig(ClassicalConfig):
    """The thesis gives no settings; these are for a few hundred samples."""

    components: int = Field(3, ge=1, le=1000, description="number of Gaussians in the mixture")
    covariance: Literal["full", "tied", "diag", "spherical"] = Field(
        "full", description="covariance of a component: free, the same for all, diagonal, or a multiple of the identity"
    )
    regularisation: float = Field(
        1e-3, gt=0, le=1, description="addition to the variances, as a share of the data's, which allows n < d"
    )


class Gmm(ClassicalDetector):
    """The score is minus the log density."""

    name = "gmm"
    Config = GmmConfig
    config: GmmConfig

    def scorer(self, rows: Matrix, seed: int) -> ScoreRows:
        from sklearn.mixture import GaussianMixture

        c = self.config
        refuse_above("components", c.components, len(rows))
        floor = c.regularisation * (float(rows.var(0).mean()) or 1.0)
        mixture = GaussianMixture(c.components, covariance_type=c.covariance, reg_covar=floor, random_state=seed)
        mixture.fit(rows)
        return lambda x: -mixture.score_samples(x)
