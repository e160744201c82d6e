"""Which models have failed again and again and are left alone for a while; pure, time is an argument."""

from dataclasses import dataclass
from typing import Final

MAX_FAILURES: Final = 3
REST_SECONDS: Final = 30.0


@dataclass(slots=True)
class _Record:
    """`rests_until`: no call before then, after then one; None while the circuit is closed."""

    failures: int = 0
    rests_until: float | None = None


class ModelBreaker:
    """One a process; a circuit for each model id. Open after three failures in a row, then one trial each 30 s."""

    def __init__(self) -> None:
        self._records: dict[str, _Record] = {}

    def allows(self, model_id: str, now: float) -> bool:
        """Whether a call may be made. True for an open circuit is its trial: the next one comes 30 s later."""
        record = self._records.get(model_id)
        if record is None or record.rests_until is None:
            return True
        if now < record.rests_until:
            return False
        record.rests_until = now + REST_SECONDS
        return True

    def succeeded(self, model_id: str) -> None:
        self._records.pop(model_id, None)

    def failed(self, model_id: str, now: float) -> bool:
        """Return whether this failure opened the circuit."""
        record = self._records.setdefault(model_id, _Record())
        record.failures += 1
        if record.failures < MAX_FAILURES:
            return False
        was_closed = record.rests_until is None
        record.rests_until = now + REST_SECONDS
        return was_closed
