"""The choice of ear: the model when it is there, energy when it is not, and one line of log that says which."""

from collections.abc import Iterator

import pytest
from structlog.testing import capture_logs

from sessions.live import silero_model
from sessions.live.silero_engine import (
    new_voice_activity,
    prepare_voice_engine,
    release_voice_engine,
    voice_engine_name,
)
from sessions.live.silero_voice import SileroVoiceActivity
from sessions.live.voice_activity import EnergyVoiceActivity


@pytest.fixture(autouse=True)
def _released() -> Iterator[None]:
    release_voice_engine()
    yield
    release_voice_engine()


async def test_a_prepared_process_hears_by_the_model_and_says_so_once() -> None:
    with capture_logs() as logs:
        await prepare_voice_engine()
    assert [(entry["event"], entry["engine"]) for entry in logs] == [("voice_activity_engine", "silero")]
    assert isinstance(new_voice_activity(24_000), SileroVoiceActivity)
    assert voice_engine_name() == "silero"


@pytest.mark.parametrize("missing", ["onnxruntime", "silero-vad"])
async def test_without_a_package_it_hears_by_energy_and_says_so_once(
    missing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if missing == "onnxruntime":
        monkeypatch.setattr(silero_model, "onnxruntime", None)
    else:
        monkeypatch.setattr(silero_model, "find_spec", lambda name: None)
    with capture_logs() as logs:
        await prepare_voice_engine()
    assert [(entry["log_level"], entry["engine"]) for entry in logs] == [("warning", "energy")]
    assert missing in logs[0]["reason"]
    assert isinstance(new_voice_activity(24_000), EnergyVoiceActivity)


def test_a_process_that_was_not_prepared_hears_by_energy() -> None:
    assert isinstance(new_voice_activity(16_000), EnergyVoiceActivity)
    assert voice_engine_name() == "energy"
