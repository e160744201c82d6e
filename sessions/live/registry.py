"""The live sessions of this web process, by channel and by session id."""

from collections.abc import Iterator

from sessions.live.session import LiveSession


class LiveSessions:
    """One per web process; event loop only."""

    def __init__(self) -> None:
        self._by_channel: dict[str, LiveSession] = {}
        self._by_session: dict[str, LiveSession] = {}

    def __len__(self) -> int:
        return len(self._by_channel)

    def __iter__(self) -> Iterator[LiveSession]:
        return iter(list(self._by_channel.values()))

    def add(self, session: LiveSession) -> LiveSession | None:
        """Returns the older session of the channel, which the caller closes."""
        older = self._by_channel.get(session.channel_name)
        self._by_channel[session.channel_name] = session
        return older

    def started(self, session: LiveSession) -> None:
        """The session has got its id: workers' output finds it from now on."""
        self._by_session[session.session_id] = session

    def remove(self, session: LiveSession) -> None:
        if self._by_session.get(session.session_id) is session:
            del self._by_session[session.session_id]
        if self._by_channel.get(session.channel_name) is session:
            del self._by_channel[session.channel_name]

    def states(self) -> list[str]:
        """Of each: waiting (for `start`), listening, thinking or speaking."""
        return [_state_of(session) for session in self]

    def of_channel(self, channel_name: str) -> LiveSession | None:
        return self._by_channel.get(channel_name)

    def of_session(self, session_id: str) -> LiveSession | None:
        return self._by_session.get(session_id)


def _state_of(session: LiveSession) -> str:
    if not session.is_started:
        return "waiting"
    return "speaking" if session.state.is_speaking else "thinking" if session.state.is_thinking else "listening"
