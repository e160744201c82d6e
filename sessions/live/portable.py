"""A conversation as another web process needs it to go on: configuration, items, and what is under way; knows no store."""

from dataclasses import dataclass
from decimal import Decimal

from pydantic import TypeAdapter

from sessions.live.config import SessionConfig
from sessions.live.items import Item
from sessions.live.portable_reply import PortableReply, PortableTurn
from sessions.live.reply_plan import ReplyPlan
from sessions.live.usage import FREE

ITEMS_KEPT = 200
"""Five times what a model is told by default; older ones stay with the records."""


@dataclass(frozen=True, slots=True)
class UnderWay:
    """`open_turn`: the user was speaking. `waiting_turn`: it has ended and its reply had not begun. `reply_turn`: the
    turn that `reply` answers."""

    open_turn: PortableTurn | None = None
    waiting_turn: PortableTurn | None = None
    reply_turn: PortableTurn | None = None
    reply: PortableReply | None = None


@dataclass(frozen=True, slots=True)
class Talk:
    """`items` are the newest, oldest first. `plan` is that of the reply under way. `spent_usd`: since the talk began."""

    config: SessionConfig
    items: tuple[Item, ...]
    under_way: UnderWay
    plan: ReplyPlan | None = None
    spent_usd: Decimal = FREE


CONFIG: TypeAdapter[SessionConfig] = TypeAdapter(SessionConfig)
ITEM: TypeAdapter[Item] = TypeAdapter(Item)
UNDER_WAY: TypeAdapter[UnderWay] = TypeAdapter(UnderWay)
PLAN: TypeAdapter[ReplyPlan] = TypeAdapter(ReplyPlan)
