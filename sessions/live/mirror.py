"""Shows a talk to operators who watch it: words, states and faults, never sound; costs one comparison while nobody does."""

from collections.abc import Callable
from typing import Any

from sessions.live import facts
from sessions.live.items import FunctionCallItem, FunctionOutputItem, Item

Shown = tuple[str, dict[str, Any]]
Show = Callable[[str, dict[str, Any]], None]
"""Takes a fact's name and its body, a JSON object; never blocks and never raises."""


class Mirror:
    """One per live session. Whoever watches says so again before `until_seconds` has passed."""

    def __init__(self) -> None:
        self._watchers: dict[str, tuple[float, Show]] = {}

    def watch(self, watcher: str, until_seconds: float, show: Show) -> bool:
        """True for one who was not watching yet, and has to be shown what came before."""
        is_new = watcher not in self._watchers
        self._watchers[watcher] = (until_seconds, show)
        return is_new

    def forget_late(self, now_seconds: float) -> None:
        """Called now and then; who has not asked again has gone."""
        late = [watcher for watcher, (until_seconds, _) in self._watchers.items() if until_seconds <= now_seconds]
        for watcher in late:
            del self._watchers[watcher]

    def reflect(self, fact: facts.Fact) -> None:
        if not self._watchers:
            return
        shown = shown_fact(fact)
        if shown is not None:
            for _, show in self._watchers.values():
                show(*shown)


def shown_items(items: list[Item]) -> list[dict[str, Any]]:
    return [described for item in items if (described := _described(item)) is not None]


def shown_fact(fact: facts.Fact) -> Shown | None:
    """None for what is of no use to a person: sound, positions, the client's configuration."""
    maker = _MAKERS.get(type(fact))
    return maker(fact) if maker is not None else None


def _described(item: Item) -> dict[str, Any] | None:
    """System items are left out: they hold what operators have whispered, and the audit log shows that."""
    if isinstance(item, FunctionCallItem):
        return {"item_id": item.item_id, "role": "tool", "text": f"{item.name}({item.arguments})"}
    if isinstance(item, FunctionOutputItem):
        return {"item_id": item.item_id, "role": "tool", "text": item.output}
    if item.role == "system":
        return None
    text = " ".join(content.text for content in item.content if content.text).strip()
    pictures = sum(1 for content in item.content if content.kind == "input_image")
    return {"item_id": item.item_id, "role": item.role, "text": text, "pictures": pictures, "status": item.status}


def _item(fact: facts.ItemFinished | facts.ReplyItemFinished) -> Shown | None:
    described = _described(fact.item)
    return ("item", described) if described is not None else None


def _reply_ended(fact: facts.ReplyEnded) -> Shown:
    body = {"reply_id": fact.reply_id, "status": fact.status, "reason": fact.reason, "error": fact.error_text}
    return "reply_ended", {**body, "items": shown_items(list(fact.items))}


_MAKERS: dict[type[Any], Callable[[Any], Shown | None]] = {
    facts.UserWordsChanged: lambda f: ("user_words", {"item_id": f.item_id, "text": f.text, "is_final": False}),
    facts.UserTurnTranscribed: lambda f: ("user_words", {"item_id": f.item_id, "text": f.text, "is_final": True}),
    facts.ReplyStarted: lambda f: ("reply_started", {"reply_id": f.reply_id}),
    facts.ReplyTextAdded: lambda f: ("agent_words", {"item_id": f.item_id, "delta": f.delta}),
    facts.ReplyItemFinished: _item,
    facts.ItemFinished: _item,
    facts.ReplyEnded: _reply_ended,
    facts.PlaybackFlushed: lambda f: ("cut_off", {"item_id": f.item_id, "heard_ms": f.heard_ms, "reason": f.reason}),
    facts.PlaybackHeld: lambda f: ("held", {"item_id": f.item_id, "is_held": f.is_held}),
    facts.StateChanged: lambda f: (
        "state",
        {"is_listening": f.is_listening, "is_thinking": f.is_thinking, "is_speaking": f.is_speaking},
    ),
    facts.TurnMeasured: lambda f: ("measured", {"reply_id": f.reply_id, "delays_ms": f.delays_ms}),
    facts.VisionChanged: lambda f: ("vision", {"pictures": len(f.frames), "interval_ms": f.interval_ms}),
    facts.Noticed: lambda f: ("notice", {"code": f.code, "text": f.text}),
    facts.FaultHappened: lambda f: ("fault", {"code": f.code, "text": f.text}),
}
