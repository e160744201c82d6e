"""What a web process lends to each of its live sessions."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sessions.live.accounts import Accounts
from sessions.live.replying import KeepRecord
from sessions.live.work_desk import WorkDesk
from sessions.speech_to_text.contract import SpeechToText

if TYPE_CHECKING:
    from sessions.live.session import LiveSession

OnTold = Callable[["LiveSession", bool], None]
"""on_told(session, is_sound): the client has been told something; the session has changed."""


@dataclass(frozen=True, slots=True)
class SessionParts:
    desk: WorkDesk
    ear: SpeechToText
    keep_record: KeepRecord
    on_told: OnTold
    accounts: Accounts = field(default_factory=Accounts)
