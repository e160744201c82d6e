"""When a delivery that failed is tried again; pure."""

import random

WAITS_SECONDS = (5, 30, 120, 600, 1_800, 3_600, 10_800, 21_600, 43_200)
"""About a day in all; then it is given up, and the next of its line goes."""
MAX_ATTEMPTS = len(WAITS_SECONDS) + 1
JITTER = 0.1


def wait_seconds(attempts: int, chance: random.Random) -> float | None:
    """After `attempts` failures; None when that was the last."""
    if attempts >= MAX_ATTEMPTS:
        return None
    wait = WAITS_SECONDS[max(0, attempts - 1)]
    return wait * (1 + JITTER * chance.random())


def is_final(status: int) -> bool:
    """410 Gone: the receiver wants no more."""
    return status == 410
