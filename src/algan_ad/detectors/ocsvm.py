"""One-class support vector machine (Schölkopf et al., 2001; thesis 3.1.3)."""

from typing import Literal

from pydantic import Field

from algan_ad.detectors.shared.classical import ClassicalConfig, ClassicalDetector, Matrix, ScoreRows


class OcsvmConfig(ClassicalConfig):
    """The defaults are those of PyOD's benchmark; the kernel is exp(-gamma |x - y|^2)."""

    nu: float = Field(0.5, gt=0, le=1, description="bound on the share of training data outside the boundary")
    gamma: Literal["auto", "scale"] = Field("auto", description="auto: 1/d; scale: 1/(d variance of the data)")


class Ocsvm(ClassicalDetector):
    """The score is minus the signed distance to the boundary in the kernel's space, up to a factor."""

    name = "ocsvm"
    Config = OcsvmConfig
    config: OcsvmConfig

    def scorer(self, rows: Matrix, seed: int) -> ScoreRows:
        from sklearn.svm import OneClassSVM

        boundary = OneClassSVM(nu=self.config.nu, gamma=self.config.gamma).fit(rows)
        return lambda x: -boundary.decision_function(x)
