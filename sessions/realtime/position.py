"""What a client of ours notes of the events it got, so that it can come back after them; the other end of resume_wish."""

from dataclasses import dataclass
from typing import Any

SOUND_EVENT = "response.output_audio.delta"
BYTES_PER_SAMPLE = 2


@dataclass(slots=True)
class Position:
    """`note` every event with its sound, decoded; `query` is what the next socket's address must say."""

    rate_hz: int = 24_000
    epoch: str = ""
    seq: int = 0
    told_seq: int = 0
    sound_item: str = ""
    sound_bytes: int = 0

    def note(self, event: dict[str, Any], pcm: bytes) -> None:
        """A refusal has no number and is nothing to come back after."""
        epoch, _, number = str(event.get("event_id", "")).removeprefix("evt_").partition("_")
        if not number.isdigit() or epoch == "refused":
            return
        if epoch != self.epoch:
            self.sound_item, self.sound_bytes = "", 0
        self.epoch, self.seq = epoch, int(number)
        if event.get("type") != SOUND_EVENT:
            self.told_seq = self.seq
            return
        if event["item_id"] != self.sound_item:
            self.sound_item, self.sound_bytes = event["item_id"], 0
        self.sound_bytes += len(pcm)

    def query(self) -> dict[str, str]:
        """Empty before the first event."""
        if not self.epoch:
            return {}
        wish = {"epoch": self.epoch, "seq": str(self.seq), "told": str(self.told_seq)}
        if self.sound_item:
            sound_ms = self.sound_bytes * 1_000 // (BYTES_PER_SAMPLE * self.rate_hz)
            wish |= {"sound_item": self.sound_item, "sound_ms": str(sound_ms)}
        return wish
