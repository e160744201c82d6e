"""Tools: the server's own run in the worker's loop, the client's are handed to the client and wait for its answer."""

import json
from typing import Any

from tests.house import House
from tests.journeys.client import Json, connect, see_calls, tell_script
from tests.journeys.sounds import speech

QUICK_VOICE = {"polly": {"ms_per_character": 10}}
DOOR = {
    "type": "function",
    "name": "open_door",
    "description": "Opens a door of the house.",
    "parameters": {"type": "object", "properties": {"door": {"type": "string"}}},
}


def _parts(request: Json, kind: str) -> list[Any]:
    return [part[kind] for message in request["messages"] for part in message["content"] if kind in part]


def _use(name: str, **arguments: Any) -> Json:
    return {"tool_use": {"name": name, "input": arguments}}


async def test_current_time_runs_in_the_workers_loop_and_its_result_reaches_the_model(house: House) -> None:
    answer = {"text": "The clock says {tool_result}."}
    plans = [_use("current_time", time_zone="Asia/Shanghai"), answer]
    await tell_script(house, texts=["What time is it in Shanghai?"], bedrock=plans, defaults=QUICK_VOICE)
    async with connect(house) as client:
        await client.speak(speech(800))
        response = (await client.wait_for("response.done")).event.response
        first, second = await see_calls(house, "bedrock", 2)
    assert response.status == "completed"
    assert "current_time" in first["facts"]["tools"]
    use, result = _parts(second["request"], "toolUse")[0], _parts(second["request"], "toolResult")[0]
    assert use["input"] == {"time_zone": "Asia/Shanghai"}
    assert result["toolUseId"] == use["toolUseId"]
    told = json.loads(result["content"][0]["text"]) if "text" in result["content"][0] else result["content"][0]["json"]
    assert (told["time_zone"], told["utc_offset"]) == ("Asia/Shanghai", "+0800")
    assert "Asia/Shanghai" in client.said()[0]


async def test_a_server_tool_is_not_shown_to_the_client_as_its_own(house: House) -> None:
    await tell_script(house, bedrock=[_use("current_time"), {"text": "Late."}], defaults=QUICK_VOICE)
    async with connect(house) as client:
        response = await client.ask("What time is it?")
    assert [item.type for item in response.output] == ["message"]
    assert client.of("response.function_call_arguments.done") == []


async def test_a_tools_result_stays_in_the_history_of_the_next_turn(house: House) -> None:
    plans = [_use("current_time", time_zone="Europe/Paris"), {"text": "Late."}, {"text": "Still late."}]
    await tell_script(house, bedrock=plans, defaults=QUICK_VOICE)
    async with connect(house) as client:
        await client.ask("What time is it?")
        await client.ask("And now?")
        request = (await see_calls(house, "bedrock", 3))[2]["request"]
    assert len(_parts(request, "toolUse")) == len(_parts(request, "toolResult")) == 1
    assert client.said() == ["Late.", "Still late."]


async def test_a_wrong_argument_comes_back_to_the_model_as_the_tools_error(house: House) -> None:
    plans = [_use("current_time", time_zone="Mars/Olympus"), {"text": "I do not know that place."}]
    await tell_script(house, bedrock=plans, defaults=QUICK_VOICE)
    async with connect(house) as client:
        response = await client.ask("What time is it on Mars?")
        request = (await see_calls(house, "bedrock", 2))[1]["request"]
    assert response.status == "completed"
    result = _parts(request, "toolResult")[0]
    assert result["status"] == "error"
    assert "Mars/Olympus" in json.dumps(result["content"])


async def test_a_client_tool_is_called_answered_and_spoken_about(house: House) -> None:
    plans = [_use("open_door", door="front"), {"text": "It is open. It said {tool_result}."}]
    await tell_script(house, bedrock=plans, defaults=QUICK_VOICE)
    async with connect(house) as client:
        await client.update(tools=[DOOR])
        asked = await client.ask("Open the front door.")
        call = (await client.wait_for("response.function_call_arguments.done")).event
        answered = client.now
        output = {"type": "function_call_output", "call_id": call.call_id, "output": '{"door": "opened"}'}
        await client.send("conversation.item.create", item=output)
        await client.send("response.create")
        response = (await client.wait_for("response.done", after=answered)).event.response
        first, second = await see_calls(house, "bedrock", 2)
    assert (call.name, json.loads(call.arguments)) == ("open_door", {"door": "front"})
    assert [(item.type, item.name) for item in asked.output] == [("function_call", "open_door")]
    assert "open_door" in first["facts"]["tools"]
    result = _parts(second["request"], "toolResult")[0]
    assert result["toolUseId"] == _parts(second["request"], "toolUse")[0]["toolUseId"] == call.call_id
    assert "opened" in json.dumps(result["content"])
    assert response.status == "completed"
    assert "opened" in client.said()[-1]


async def test_a_turn_without_the_tools_answer_still_makes_a_legal_request(house: House) -> None:
    """The emulator refuses a tool use without its result, as the service does."""
    await tell_script(house, bedrock=[_use("open_door"), {"text": "Never mind."}], defaults=QUICK_VOICE)
    async with connect(house) as client:
        await client.update(tools=[DOOR])
        await client.ask("Open the door.")
        response = await client.ask("Forget it.")
    assert (response.status, client.said()) == ("completed", ["Never mind."])
