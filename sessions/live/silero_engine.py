"""Which ear for voice this process has: the Silero model when its packages are there, else energy; says which, once."""

import asyncio

import structlog

from sessions.live.silero_batch import SileroBatch
from sessions.live.silero_model import SileroModel, VoiceModelMissingError
from sessions.live.silero_voice import SileroParameters, SileroVoiceActivity
from sessions.live.voice_activity import EnergyVoiceActivity, VoiceActivity, VoiceActivityParameters

logger = structlog.get_logger(__name__)


class _Engine:
    """The process's one batch of streams; none before `prepare` and after `release`."""

    batch: SileroBatch | None = None


async def prepare_voice_engine() -> None:
    """Loads and warms the model (0.1 to 0.5 s, in a thread). Sessions that begin before it has ended hear by energy."""
    try:
        model = await asyncio.to_thread(_load)
    except VoiceModelMissingError as error:
        logger.warning("voice_activity_engine", engine="energy", reason=error.text)
        return
    _Engine.batch = SileroBatch(model)
    logger.info("voice_activity_engine", engine="silero")


def release_voice_engine() -> None:
    """Sessions that begin from now on hear by energy."""
    _Engine.batch = None


def voice_engine_name() -> str:
    return "energy" if _Engine.batch is None else "silero"


def new_voice_activity(rate_hz: int, threshold: float = 0.5) -> VoiceActivity:
    """`threshold` as in the Realtime protocol's voice detection: 0.5 is the default."""
    if _Engine.batch is None:
        return EnergyVoiceActivity(rate_hz, VoiceActivityParameters().with_threshold(threshold))
    return SileroVoiceActivity(rate_hz, _Engine.batch, SileroParameters().with_threshold(threshold))


def _load() -> SileroModel:
    model = SileroModel()
    model.warm_up()
    return model
