"""Graphs: what they yield, what a client may change, and how everything else is refused by name."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as django_settings
from hypothesis import given
from hypothesis import strategies as st

from sessions.graphs.library import all_graphs, load_graph, read_graph
from sessions.live.config import SessionConfig
from sessions.settings import VisionBounds, WebSettings
from workers.errors import BadInputError, ConfigurationError
from workers.text_to_speech.contract import VoiceOptions

GRAPHS = ["voice", "va_nova_multimodal_aws", "watch"]
CHINESE = {
    "tts": {"voice": "Zhiyu", "lang_code": "cmn-CN", "engine": "neural"},
    "stt": {"lang_code": "zh-CN"},
}
TEN_PROPERTIES = {
    "agora_rtc": {
        "app_id", "token", "channel", "stream_id", "remote_stream_id", "subscribe_audio", "publish_audio",
        "publish_data", "enable_agora_asr", "agora_asr_vendor_name", "agora_asr_language",
        "agora_asr_session_control_file_path", "subscribe_video", "subscribe_video_pix_fmt", "max_memory_length",
    },
    "stt": {"region", "sample_rate", "lang_code", "access_key", "secret_key"},
    "llm": {
        "model", "region", "max_tokens", "temperature", "topK", "topP", "max_memory_length", "is_memory_enabled",
        "is_enable_video", "greeting", "prompt", "access_key_id", "secret_access_key",
    },
    "tts": {"region", "engine", "voice", "sample_rate", "lang_code", "access_key", "secret_key"},
    "interrupt_detector": set(),
    "message_collector": set(),
}  # fmt: skip


@pytest.fixture
def web() -> WebSettings:
    nova: WebSettings = django_settings.NOVA
    return dataclasses.replace(
        nova,
        model_id="a.model",
        voice="Ruth",
        engine="generative",
        language="en-US",
        video_frame_interval_seconds=0.5,
        vision=VisionBounds(),
    )


def _config(name: str, overrides: dict[str, Any], web: WebSettings) -> SessionConfig:
    return load_graph(name).session_config(overrides, web)


def _refused_field(name: str, overrides: dict[str, Any], web: WebSettings) -> str | None:
    with pytest.raises(BadInputError) as caught:
        _config(name, overrides, web)
    assert caught.value.code == "10100"
    assert caught.value.field is not None
    assert caught.value.field in caught.value.text
    return caught.value.field


def test_the_default_graph_comes_first() -> None:
    assert [graph.name for graph in all_graphs()] == GRAPHS


@pytest.mark.parametrize("name", GRAPHS)
def test_a_graph_without_overrides_follows_the_settings(name: str, web: WebSettings) -> None:
    config = _config(name, {}, web)
    assert config.graph_name == name
    assert config.model.model == "a.model"
    assert config.voice == VoiceOptions("Ruth", "generative", "en-US")
    assert config.listening_language == config.model.language == "en-US"
    assert config.vision.frame_interval_ms == 500
    assert config.greeting.startswith("Hello")
    assert (config.input_rate_hz, config.output_rate_hz) == (24_000, 24_000)


@pytest.mark.parametrize("name", GRAPHS)
def test_the_chinese_example_sets_exactly_those_values(name: str, web: WebSettings) -> None:
    config = _config(name, CHINESE, web)
    assert config.voice == VoiceOptions("Zhiyu", "neural", "cmn-CN")
    assert config.listening_language == "zh-CN"
    assert config.model.language == "zh-CN"
    assert "你好" in config.greeting
    assert "实时语音助手" in config.instructions


@pytest.mark.parametrize("overrides", [{"stt": {"lang_code": "zh-CN"}}, {"tts": {"lang_code": "cmn-CN"}}])
def test_one_language_draws_the_other_and_a_voice_after_it(overrides: dict[str, Any], web: WebSettings) -> None:
    config = _config("voice", overrides, web)
    assert config.listening_language == "zh-CN"
    assert config.voice == VoiceOptions("Zhiyu", "neural", "cmn-CN")


def test_hearing_one_language_and_speaking_another_is_possible(web: WebSettings) -> None:
    config = _config("voice", {"stt": {"lang_code": "en-US"}, "tts": {"lang_code": "cmn-CN"}}, web)
    assert (config.listening_language, config.voice.language) == ("en-US", "cmn-CN")
    assert "你好" in config.greeting


def test_settings_in_chinese_greet_in_chinese(web: WebSettings) -> None:
    config = _config("voice", {}, dataclasses.replace(web, language="zh-CN", voice="Zhiyu", engine="neural"))
    assert config.voice == VoiceOptions("Zhiyu", "neural", "cmn-CN")
    assert "你好" in config.greeting


def test_a_language_without_a_known_voice_asks_for_one(web: WebSettings) -> None:
    assert _refused_field("voice", {"stt": {"lang_code": "sw-KE"}}, web) == "properties.tts.voice"


def test_an_empty_greeting_is_silence(web: WebSettings) -> None:
    assert _config("voice", {"llm": {"greeting": ""}}, web).greeting == ""


def test_greeting_and_prompt_of_the_client_win(web: WebSettings) -> None:
    config = _config("va_nova_multimodal_aws", {"llm": {"greeting": "Hi!", "prompt": "Be a pirate."}}, web)
    assert (config.greeting, config.instructions) == ("Hi!", "Be a pirate.")


def test_properties_merge_by_node_and_keep_the_graphs_others(web: WebSettings) -> None:
    config = _config("va_nova_multimodal_aws", {"llm": {"temperature": 0.1, "topP": 0.25}}, web)
    assert (config.model.temperature, config.model.top_p, config.model.top_k) == (0.1, 0.25, 10)
    assert config.model.max_tokens == 256


def test_turns_vision_and_tools_of_the_voice_graph(web: WebSettings) -> None:
    overrides = {
        "turns": {"mode": "manual", "end_silence_ms": 800},
        "vision": {"frame_interval_ms": 250, "frames_per_turn": 2},
        "llm": {"tools": []},
    }
    config = _config("voice", overrides, web)
    assert (config.turns.mode, config.turns.end_silence_ms) == ("manual", 800)
    assert (config.vision.frame_interval_ms, config.vision.frames_per_turn) == (250, 2)
    assert config.tools == ()


def test_the_voice_graph_offers_the_time(web: WebSettings) -> None:
    assert [tool.name for tool in _config("voice", {}, web).tools] == ["current_time"]


def test_vision_can_be_switched_off_at_the_model(web: WebSettings) -> None:
    assert not _config("va_nova_multimodal_aws", {"llm": {"is_enable_video": False}}, web).vision.enabled


@pytest.mark.parametrize("rate", ["16000", 8_000, "48000"])
def test_the_references_sample_rate_may_be_text(rate: object, web: WebSettings) -> None:
    assert _config("va_nova_multimodal_aws", {"stt": {"sample_rate": rate}}, web).input_rate_hz == 24_000


def test_the_ten_layout_has_exactly_the_references_names() -> None:
    nodes = load_graph("va_nova_multimodal_aws").nodes
    assert set(type(nodes).model_fields) == set(TEN_PROPERTIES)
    ours_besides = {"endpoint_url", "app_certificate", "agora_asr_vendor_key", "agora_asr_vendor_region"}
    for node, names in TEN_PROPERTIES.items():
        known = {item.alias or name for name, item in type(getattr(nodes, node)).model_fields.items()}
        assert known - ours_besides == names, node


@pytest.mark.parametrize(
    ("overrides", "field"),
    [
        ({"tts": {"pitch": 1}}, "properties.tts.pitch"),
        ({"piano": {}}, "properties.piano"),
        ({"tts": "Ruth"}, "properties.tts"),
        ({"tts": {"voice": 7}}, "properties.tts.voice"),
        ({"tts": {"voice": "../etc"}}, "properties.tts.voice"),
        ({"tts": {"engine": "steam"}}, "properties.tts.engine"),
        ({"stt": {"lang_code": "english"}}, "properties.stt.lang_code"),
        ({"llm": {"max_tokens": True}}, "properties.llm.max_tokens"),
        ({"llm": {"max_tokens": "256"}}, "properties.llm.max_tokens"),
        ({"llm": {"max_tokens": 0}}, "properties.llm.max_tokens"),
        ({"llm": {"temperature": 1.5}}, "properties.llm.temperature"),
        ({"llm": {"is_enable_video": 1}}, "properties.llm.is_enable_video"),
    ],
)
@pytest.mark.parametrize("name", GRAPHS)
def test_a_wrong_override_is_refused_by_its_dotted_name(
    name: str, overrides: dict[str, Any], field: str, web: WebSettings
) -> None:
    assert _refused_field(name, overrides, web) == field


@pytest.mark.parametrize("name", GRAPHS)
@pytest.mark.parametrize(
    ("node", "property_name"),
    [
        ("stt", "region"),
        ("stt", "access_key"),
        ("stt", "endpoint_url"),
        ("llm", "model"),
        ("llm", "secret_access_key"),
        ("tts", "secret_key"),
        ("tts", "region"),
    ],
)
def test_what_belongs_to_the_operator_is_not_set_by_clients(
    name: str, node: str, property_name: str, web: WebSettings
) -> None:
    with pytest.raises(BadInputError, match="not allowed to be set by clients") as caught:
        _config(name, {node: {property_name: "x"}}, web)
    assert caught.value.field == f"properties.{node}.{property_name}"


@pytest.mark.parametrize("property_name", ["app_id", "token", "agora_asr_session_control_file_path"])
def test_the_rtc_networks_secrets_are_not_set_by_clients(property_name: str, web: WebSettings) -> None:
    field = _refused_field("va_nova_multimodal_aws", {"agora_rtc": {property_name: "x"}}, web)
    assert field == f"properties.agora_rtc.{property_name}"


def test_the_references_rtc_properties_are_accepted_and_named_as_inert() -> None:
    graph = load_graph("va_nova_multimodal_aws")
    checked = graph.checked({"agora_rtc": {"channel": "c", "stream_id": 7, "agora_asr_language": "zh-CN"}})
    assert graph.inert_names(checked) == [
        "agora_rtc.channel",
        "agora_rtc.stream_id",
        "agora_rtc.agora_asr_language",
    ]


def test_an_unknown_tool_is_refused_by_the_property(web: WebSettings) -> None:
    assert _refused_field("voice", {"llm": {"tools": ["rm_rf"]}}, web) == "properties.llm.tools"


@pytest.mark.parametrize("name", ["", "nobody", "../voice", "voice.json", "VOICE"])
def test_an_unknown_graph_is_refused_by_name(name: str) -> None:
    with pytest.raises(BadInputError) as caught:
        load_graph(name)
    assert (caught.value.code, caught.value.field) == ("10100", "graph_name")


def test_a_lenient_client_keeps_what_is_known_and_hears_of_the_rest() -> None:
    known, ignored = load_graph("va_nova_multimodal_aws").without_unknown(
        {"tts": {"voice": "Zhiyu", "pitch": 2, "access_key": "x"}, "coze": {"token": "x"}, "llm": 3}
    )
    assert known == {"tts": {"voice": "Zhiyu"}}
    assert ignored == ["tts.pitch", "tts.access_key", "coze", "llm"]


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
_NODES = st.sampled_from(["stt", "llm", "tts", "turns", "vision", "agora_rtc", "nowhere"])
_NAMES = st.sampled_from(
    ["voice", "lang_code", "engine", "max_tokens", "tools", "greeting", "topP", "sample_rate", "mode", "", "é"]
)


@given(name=st.sampled_from(GRAPHS), overrides=st.dictionaries(_NODES, st.dictionaries(_NAMES, _JSON) | _JSON))
def test_any_override_is_either_used_or_refused_by_name(name: str, overrides: dict[str, Any]) -> None:
    try:
        outcome = load_graph(name).session_config(overrides, django_settings.NOVA).graph_name
    except BadInputError as error:
        outcome = error.field or ""
    assert outcome == name or outcome.startswith("properties.")


def _write(folder: Path, content: dict[str, Any], name: str = "mine") -> Path:
    path = folder / f"{name}.json"
    path.write_text(json.dumps(content))
    return path


def test_an_operators_graph_may_pin_what_clients_may_not(tmp_path: Path, web: WebSettings) -> None:
    nodes = {"llm": {"model": "pinned.model"}, "tts": {"voice": "Amy", "lang_code": "en-GB"}}
    path = _write(tmp_path, {"name": "mine", "layout": "voice", "description": "d", "nodes": nodes})
    config = read_graph(path).session_config({}, web)
    assert config.model.model == "pinned.model"
    assert config.voice == VoiceOptions("Amy", "generative", "en-GB")


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"nodes": {"tts": {"pitch": 1}}}, "tts.pitch"),
        ({"nodes": {"stt": {"access_key": "AKIA"}}}, "stt.access_key"),
        ({"extra": 1}, "extra"),
        ({"name": "other"}, "its name must be mine"),
    ],
)
def test_a_wrong_graph_file_is_refused_with_its_name_and_property(
    tmp_path: Path, change: dict[str, Any], named: str
) -> None:
    path = _write(tmp_path, {"name": "mine", "layout": "voice", "description": "d", "nodes": {}, **change})
    with pytest.raises(ConfigurationError, match=r"mine\.json") as caught:
        read_graph(path)
    assert named in caught.value.text
    assert "AKIA" not in caught.value.text


def test_the_bounds_of_the_interval_make_room_for_the_interval_itself(web: WebSettings) -> None:
    slow = _config("voice", {"vision": {"frame_interval_ms": 10_000}}, web).vision
    fast = _config("voice", {"vision": {"frame_interval_ms": 100}}, web).vision
    assert (slow.fastest_interval_ms, slow.slowest_interval_ms) == (250, 10_000)
    assert (fast.fastest_interval_ms, fast.slowest_interval_ms) == (100, 4_000)


def test_a_client_may_bound_what_pictures_cost_but_not_beyond_the_server(web: WebSettings) -> None:
    bounded = dataclasses.replace(web, vision=VisionBounds(tokens_per_minute=1_000))
    assert _config("voice", {"vision": {"tokens_per_minute": 500}}, bounded).vision.tokens_per_minute == 500
    assert _config("voice", {"vision": {"tokens_per_minute": 5_000}}, bounded).vision.tokens_per_minute == 1_000
    assert _config("voice", {}, web).vision.tokens_per_session is None


def test_the_watch_graph_watches_with_the_question_it_is_given(web: WebSettings) -> None:
    watch = _config("watch", {"watch": {"question": "Is the gate open?"}}, web).watch
    assert watch is not None
    assert (watch.question, watch.interval_ms, watch.on_change, watch.speaks) == (
        "Is the gate open?",
        2_000,
        True,
        True,
    )
    assert _config("voice", {}, web).watch is None


def test_a_model_without_eyes_is_not_offered_to_look(web: WebSettings) -> None:
    tools = {"llm": {"tools": ["look", "current_time"]}}
    seeing = _config("voice", tools, dataclasses.replace(web, model_id="us.amazon.nova-lite-v1:0"))
    blind = _config("voice", tools, dataclasses.replace(web, model_id="us.amazon.nova-micro-v1:0"))
    assert [tool.name for tool in seeing.tools] == ["look", "current_time"]
    assert [tool.name for tool in blind.tools] == ["current_time"]


def test_the_price_of_pictures_is_the_models_own(web: WebSettings) -> None:
    known = _config("voice", {}, dataclasses.replace(web, model_id="us.amazon.nova-lite-v1:0"))
    assert known.vision.usd_per_million_tokens == 0.06
    assert _config("voice", {}, web).vision.usd_per_million_tokens is None
