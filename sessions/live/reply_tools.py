"""The tool calls of one reply: kept for the history with their results, or handed to the client that runs them."""

import json
from typing import Protocol

from sessions.live import facts
from sessions.live.items import FunctionCallItem, FunctionOutputItem, Item
from workers.streams.messages import ToolCalled, ToolReturned


class ToolHost(Protocol):
    def deliver(self, fact: facts.Fact) -> None: ...

    def keep_item(self, item: Item) -> str | None: ...


class ToolCalls:
    """Made by each reply. `client_calls` are the calls that the client has to answer; out of band none joins the history."""

    def __init__(self, reply_id: str, host: ToolHost, *, is_out_of_band: bool = False) -> None:
        self._reply_id = reply_id
        self._is_out_of_band = is_out_of_band
        self._host = host
        self._running: dict[str, FunctionCallItem] = {}
        self.client_calls: tuple[FunctionCallItem, ...] = ()

    @property
    def client_items(self) -> tuple[Item, ...]:
        return self.client_calls

    @property
    def running_items(self) -> tuple[FunctionCallItem, ...]:
        return tuple(self._running.values())

    def take_up(self, running: tuple[FunctionCallItem, ...], clients: tuple[FunctionCallItem, ...]) -> None:
        """Go on where another process stopped."""
        self._running = {call.call_id: call for call in running}
        self.client_calls = clients

    def take(self, entry: ToolCalled | ToolReturned) -> None:
        if isinstance(entry, ToolReturned):
            self._returned(entry)
        elif entry.runs_at == "worker":
            self._running[entry.tool_use_id] = _call(entry)
        else:
            self._hand_to_client(_call(entry))

    def _hand_to_client(self, call: FunctionCallItem) -> None:
        previous = self._keep(call)
        self.client_calls = (*self.client_calls, call)
        index = len(self.client_calls)
        self._host.deliver(facts.ReplyItemStarted(self._reply_id, index, call, previous, is_audio=False))
        self._host.deliver(facts.ReplyItemFinished(self._reply_id, index, call, is_audio=False))

    def _returned(self, entry: ToolReturned) -> None:
        """A finished call goes into the history at once, with its result: it must never run again."""
        call = self._running.pop(entry.tool_use_id, None)
        if call is not None:
            self._keep(call)
            self._keep(FunctionOutputItem(f"{call.item_id}_output", call.call_id, entry.content))

    def _keep(self, item: Item) -> str | None:
        return None if self._is_out_of_band else self._host.keep_item(item)


def _call(entry: ToolCalled) -> FunctionCallItem:
    arguments = json.dumps(entry.arguments, ensure_ascii=False)
    return FunctionCallItem(f"item_{entry.tool_use_id}", entry.tool_use_id, entry.name, arguments)
