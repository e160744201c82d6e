"""The owner's side of a live view: begins to mirror a session and shows a newcomer what was said before."""

import time

from sessions.live.mirror import shown_items
from sessions.live.session import LiveSession
from sessions.live_view.writer import WatchedWriter
from workers.streams.messages import WATCH_SECONDS, WatchedFact, WatchSession

SHOWN_BEFORE = 60


def show_session(session: LiveSession, wish: WatchSession, writer: WatchedWriter) -> None:
    identity = session.identity

    def show(name: str, body: dict[str, object]) -> None:
        writer.put(wish.output_stream, WatchedFact(identity.session_id, identity.generation, "", name, dict(body)))

    if session.mirror.watch(wish.output_stream, time.monotonic() + WATCH_SECONDS, show):
        show("before", {"items": shown_items(session.history.newest(SHOWN_BEFORE))})
