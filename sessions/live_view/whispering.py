"""An operator's whisper: an instruction that joins the model's from the next request on; the client never sees it."""

from sessions.live.history import History
from sessions.live.ids import new_id
from sessions.live.items import Content, MessageItem

WHISPER_CHARACTERS = 2_000


def whisper(history: History, text: str) -> None:
    """A system item, of which the client is told nothing; a reply that was begun on a guess is made anew with it."""
    history.add(MessageItem(new_id("item"), "system", (Content("input_text", text[:WHISPER_CHARACTERS]),)))
