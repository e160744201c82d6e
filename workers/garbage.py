"""Python's cycle collector in processes that carry voices: what is there after the start is never looked at again."""

import gc

YOUNG_OBJECTS = 20_000
"""Of net new objects, before the youngest generation is looked at; Python's own number is 700."""


def settle_garbage() -> None:
    """Once, when all is loaded. Full collections stopped every session of a peer's process for 0.35 to 0.9 s (peers.md)."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG_OBJECTS, 20, 20)
