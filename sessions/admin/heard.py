"""What of an answer was heard and what was not, as two texts to be shown apart; pure."""


def split_heard(written: str, heard: str) -> tuple[str, str]:
    """(heard, unheard). What was heard is the answer's beginning, perhaps with other white space."""
    written, heard = written.strip(), heard.strip()
    if written.startswith(heard):
        return heard, written[len(heard) :]
    end = _end_of(written, heard)
    return (written[:end], written[end:]) if end else (heard, written)


def _end_of(written: str, heard: str) -> int:
    """Where `heard` ends in `written`, white space aside; 0 when it is not its beginning."""
    position = 0
    for sign in (sign for sign in heard if not sign.isspace()):
        while position < len(written) and written[position].isspace():
            position += 1
        if position == len(written) or written[position] != sign:
            return 0
        position += 1
    return position
