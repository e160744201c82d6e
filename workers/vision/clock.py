"""How the moment of a picture is told to the model, in a cell's corner and in words: minutes and seconds of the talk."""


def moment(captured_at_ms: int, clock_started_at_ms: int) -> str:
    """As `1:05`; what came before the clock's start, by a client's clock that was set back, is `0:00`."""
    seconds = max(0, captured_at_ms - clock_started_at_ms) // 1_000
    return f"{seconds // 60}:{seconds % 60:02d}"
