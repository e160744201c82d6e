"""Pipecat's Smart Turn and LiveKit's turn detector on the clips: their own packages, in an environment of their own."""

import json
import os
import subprocess
import sys
import tempfile
import wave
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.benchmarks.turn_quality.clips import RATE_HZ, Clip
from tests.benchmarks.turn_quality.scoring import Outcome

ROOT = Path(__file__).parents[3]
PEERS_PYTHON = ROOT / ".venv-peers" / "bin" / "python"
PACKAGES = ("pipecat-ai==1.14.0", "livekit-agents==1.8.9", "livekit-local-inference==0.2.7")
INSTALL_SECONDS = 600
RUN_SECONDS = 300
RESUME_MS = 2_000
"""LiveKit's `false_interruption_timeout`, from the end of the voice."""


class PeerNotRunError(Exception):
    """Why a peer cannot be measured on this machine."""


@dataclass(frozen=True, slots=True)
class Peer:
    """`holds`: a reply stopped by voice alone goes on when no words follow."""

    name: str
    module: str
    holds: bool


PIPECAT = Peer("Pipecat 1.14 Smart Turn v3.2", "tests.benchmarks.turn_quality.in_pipecat", holds=False)
LIVEKIT = Peer("LiveKit 1.8.9 v1-mini", "tests.benchmarks.turn_quality.in_livekit", holds=True)
PEERS = (PIPECAT, LIVEKIT)


@dataclass(frozen=True, slots=True)
class Heard:
    """What a peer's own classes said of a clip's sound.

    `ends_ms`: end of turn, words left aside. `starts_ms`: when voice was enough to stop the agent; `quiets_ms`: when
    the end of a voice was noticed. `thought_ms`: what the model took, which is not added to anything.
    """

    ends_ms: tuple[float, ...]
    starts_ms: tuple[float, ...]
    quiets_ms: tuple[float, ...]
    thought_ms: tuple[float, ...]


def install() -> None:
    """Makes `.venv-peers` when it is asked for and missing. Raises PeerNotRunError."""
    if not PEERS_PYTHON.exists():
        _call([sys.executable, "-m", "venv", str(PEERS_PYTHON.parents[1])], INSTALL_SECONDS)
    _call([str(PEERS_PYTHON), "-m", "pip", "install", "--quiet", "--prefer-binary", *PACKAGES], INSTALL_SECONDS)


def listen(peer: Peer, clips: Sequence[Clip]) -> dict[str, Heard]:
    """By the clips' names. Raises PeerNotRunError."""
    if not PEERS_PYTHON.exists():
        raise PeerNotRunError("no .venv-peers: TURN_QUALITY_PEERS=install makes it")
    with tempfile.TemporaryDirectory() as folder:
        for clip in clips:
            _write(Path(folder) / f"{clip.name}.wav", clip.pcm)
        written = _call([str(PEERS_PYTHON), "-m", peer.module, folder], RUN_SECONDS)
    answer: dict[str, dict[str, list[float]]] = json.loads(written.splitlines()[-1])
    return {name: Heard(**{key: tuple(times) for key, times in heard.items()}) for name, heard in answer.items()}


def alone(heard: Heard) -> Outcome:
    """The end of the turn by sound only, at its fastest: nothing waits for words."""
    return Outcome(heard.ends_ms)


def with_words(clip: Clip, heard: Heard, peer: Peer) -> Outcome:
    """As a session with a recogniser: both wait for final words before a turn ends.

    Pipecat's own Transcribe service marks none of them as final and waits until 1.9 s after the voice; not so here. LiveKit
    also lets a final transcript cut the agent's reply off, whatever its words.
    """
    ends_ms = {word_ms for end_ms in heard.ends_ms if (word_ms := _after_words(clip, end_ms)) is not None}
    ends = tuple(sorted(ends_ms))
    if not clip.is_over_agent:
        return Outcome(ends)
    start_ms = min(heard.starts_ms, default=None)
    final_ms = clip.final_ms(len(clip.phrases) - 1) if clip.has_words else None
    if not peer.holds:
        return Outcome(ends, stop_ms=start_ms)
    if final_ms is not None:
        return Outcome(ends, stop_ms=final_ms if start_ms is None else min(start_ms, final_ms))
    if start_ms is None:
        return Outcome(ends)
    quiet_ms = max(heard.quiets_ms, default=None)
    return Outcome(ends, holds=((start_ms, None if quiet_ms is None else quiet_ms + RESUME_MS),))


def _after_words(clip: Clip, end_ms: float) -> float | None:
    """When the final words for a turn that ends are there too; None when new voice comes before them."""
    spoken = [number for number, phrase in enumerate(clip.phrases) if phrase.span.start_ms < end_ms]
    if not spoken or not clip.phrases[spoken[-1]].words:
        return None
    final_ms = clip.final_ms(spoken[-1])
    return None if final_ms is None else max(end_ms, final_ms)


def _call(command: list[str], limit_seconds: float) -> str:
    environment = {**_environment(os.environ), "PYTHONPATH": str(ROOT), "HF_HUB_OFFLINE": "1"}
    try:
        done = subprocess.run(
            command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=limit_seconds, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise PeerNotRunError(type(error).__name__) from error
    if done.returncode != 0:
        raise PeerNotRunError((done.stderr.strip().splitlines() or ["no message"])[-1][:160])
    return done.stdout


def _environment(known: Mapping[str, str]) -> dict[str, str]:
    """Without our own environment's settings, and with whatever pip needs."""
    return {key: value for key, value in known.items() if not key.startswith(("NOVA_", "DJANGO_", "VIRTUAL_ENV"))}


def _write(path: Path, pcm: bytes) -> None:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE_HZ)
        file.writeframes(pcm)
