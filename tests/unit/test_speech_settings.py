"""The settings of speech: Polly's limits by engine, word marks on or off."""

import pytest
from pydantic import ValidationError

from nova_site.env import Environment
from nova_site.wiring import worker_settings
from workers.settings import POLLY_LIMITS, CallLimit


def test_the_default_limits_are_the_quotas_of_a_new_account(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NOVA_POLLY_LIMITS", raising=False)
    assert worker_settings(Environment()).polly_limits == POLLY_LIMITS


def test_an_engine_that_is_not_named_keeps_its_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOVA_POLLY_LIMITS", "neural=20/40, generative=1/2")
    limits = worker_settings(Environment()).polly_limits
    assert limits == {**POLLY_LIMITS, "neural": CallLimit(20, 40), "generative": CallLimit(1, 2)}


@pytest.mark.parametrize("value", ["neural", "neural=0/4", "neural=8", "steam=8/8", "neural=8/8;standard=1/1"])
def test_a_wrong_limit_is_refused_by_name(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("NOVA_POLLY_LIMITS", value)
    with pytest.raises(ValidationError, match="nova_polly_limits"):
        Environment()


def test_word_marks_can_be_switched_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOVA_WORD_MARKS", "false")
    assert not worker_settings(Environment()).has_word_marks
