from typing import get_args

from algan_ad.runtime.protocols import WORDS, BenchmarkProtocol, Protocol, described, named


def test_every_protocol_has_its_words() -> None:
    assert set(WORDS) == set(get_args(BenchmarkProtocol)) > set(get_args(Protocol))


def test_only_protocols_that_keep_anomalies_out_say_so() -> None:
    assert [name for name in WORDS if "No anomalous example" in WORDS[name].note] == ["normal-only"]
    assert named("pyod") == "Protocol pyod: anomalies are among the training data"


def test_options_offer_what_models_are_trained_by() -> None:
    assert "pyod" not in described()
