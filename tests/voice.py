"""A recognisable human-like voice for tests: flite's `slt`, which the local recogniser understands word for word."""

import os
import shutil
import subprocess
import wave
from pathlib import Path

import pytest

FLITE_RATE_HZ = 16_000


def write_question(path: Path, text: str, *, lead_ms: int = 500, silence_ms: int = 2_000) -> Path:
    """A mono WAV: silence, the spoken text, silence. Skips where flite is missing, fails under CI=true."""
    program = shutil.which("flite")
    if program is None:
        if os.environ.get("CI") == "true":
            pytest.fail("no flite on this machine, and under CI=true nothing may be skipped")
        pytest.skip("no flite on this machine: install Debian's package 'flite'")
    spoken = path.with_suffix(".spoken.wav")
    subprocess.run([program, "-voice", "slt", "-t", text, "-o", str(spoken)], check=True, timeout=30)
    with wave.open(str(spoken)) as source:
        rate_hz, pcm = source.getframerate(), source.readframes(source.getnframes())
    with wave.open(str(path), "wb") as target:
        target.setnchannels(1)
        target.setsampwidth(2)
        target.setframerate(rate_hz)
        target.writeframes(bytes(rate_hz * lead_ms // 1_000 * 2) + pcm + bytes(rate_hz * silence_ms // 1_000 * 2))
    return path
