"""The rules of a session's life: claim, stop, presence and idleness."""

import dataclasses
from datetime import timedelta
from typing import Any

import pytest
import redis
from django.conf import settings as django_settings
from django.utils import timezone

from sessions import lifecycle, presence
from sessions.lifecycle import CapacityError, ChannelTakenError, ChannelUnknownError, claim_channel
from sessions.models import Session
from tests.unit.web_site import Configure, configure  # noqa: F401
from workers.errors import StreamsUnavailableError
from workers.streams import keys
from workers.streams.codec import control_from_fields
from workers.streams.messages import SessionStarted, StopSession

# ruff: noqa: F811
pytestmark = pytest.mark.django_db

DEAD_REDIS = "redis://127.0.0.1:1/0"


@pytest.fixture(autouse=True)
def _web(configure: Configure) -> None:
    configure(session_idle_seconds=60, sessions_max=100)


@pytest.fixture
def store(redis_url: str) -> "redis.Redis":
    return redis.Redis.from_url(redis_url)


def _claim(channel_name: str = "room", owner: str = "open", **fields: Any) -> Session:
    return claim_channel(channel_name, "voice", owner, **{"overrides": {}, "user_uid": 123, "bot_uid": 1234, **fields})


def _control(store: "redis.Redis") -> list[object]:
    entries: Any = store.xrange(keys.CONTROL_STREAM)
    return [control_from_fields(fields) for _, fields in entries]


def _set_seen(store: "redis.Redis", session: Session, seconds_ago: float) -> None:
    seconds, microseconds = store.time()
    store.set(keys.session_seen(session.id), int(seconds * 1_000 + microseconds // 1_000 - seconds_ago * 1_000))


def _redis_is_away() -> None:
    django_settings.NOVA = dataclasses.replace(django_settings.NOVA, redis_url=DEAD_REDIS)


# --- claim and stop -------------------------------------------------------------------------------------------------


def test_a_claim_keeps_what_was_asked_and_tells_the_other_processes(store: "redis.Redis") -> None:
    session = _claim(overrides={"tts": {"voice": "Zhiyu"}})
    kept = Session.objects.get(channel_name="room")
    assert (kept.id, kept.overrides, kept.user_uid, kept.state) == (
        session.id,
        {"tts": {"voice": "Zhiyu"}},
        123,
        "started",
    )
    assert kept.id.startswith("sess_")
    assert len(kept.id) == len("sess_") + 32
    assert _control(store) == [SessionStarted(session_id=session.id, channel_name="room")]


def test_a_taken_channel_is_refused_and_nothing_is_announced(store: "redis.Redis") -> None:
    _claim()
    with pytest.raises(ChannelTakenError) as caught:
        _claim()
    assert caught.value.code == "10003"
    assert Session.objects.count() == len(_control(store)) == 1


def test_a_channel_can_be_started_again_after_its_stop() -> None:
    first = _claim()
    assert lifecycle.end_session("room", "stopped")
    assert _claim().id != first.id


def test_beyond_the_limit_a_claim_is_refused_and_leaves_no_row(configure: Configure) -> None:
    configure(sessions_max=1)
    _claim("one")
    with pytest.raises(CapacityError) as caught:
        _claim("two")
    assert (caught.value.code, caught.value.retriable) == ("10001", True)
    assert Session.objects.count() == 1


def test_an_ended_session_frees_its_place(configure: Configure) -> None:
    configure(sessions_max=1)
    _claim("one")
    lifecycle.end_session("one", "stopped")
    _claim("two")


def test_a_claim_that_cannot_be_announced_is_taken_back() -> None:
    _redis_is_away()
    with pytest.raises(StreamsUnavailableError):
        _claim()
    kept = Session.objects.get()
    assert (kept.state, kept.end_reason) == ("ended", "start_failed")


def test_ending_is_true_once(store: "redis.Redis") -> None:
    session = _claim()
    assert lifecycle.end_session("room", "stopped")
    assert not lifecycle.end_session("room", "stopped")
    kept = Session.objects.get()
    assert (kept.state, kept.end_reason) == ("ended", "stopped")
    assert kept.ended_at is not None
    assert _control(store)[1:] == [StopSession(session_id=session.id, reason="stopped")]


def test_an_owners_second_stop_is_fine_and_announced_again(store: "redis.Redis") -> None:
    session = _claim()
    assert lifecycle.stop_channel("room", "open")
    assert not lifecycle.stop_channel("room", "open")
    assert _control(store)[1:] == [StopSession(session_id=session.id, reason="stopped")] * 2


def test_a_strangers_stop_is_answered_like_an_unknown_channel() -> None:
    _claim(owner="key:a")
    texts = []
    for channel_name in ("room", "nowhere"):
        with pytest.raises(ChannelUnknownError) as caught:
            lifecycle.stop_channel(channel_name, "key:b")
        texts.append((caught.value.code, caught.value.text))
    assert texts[0] == texts[1]
    assert lifecycle.find_started("room") is not None


def test_a_late_stop_does_not_touch_the_next_owners_session() -> None:
    _claim(owner="key:a")
    lifecycle.stop_channel("room", "key:a")
    _claim(owner="key:b")
    assert not lifecycle.stop_channel("room", "key:a")
    assert lifecycle.find_own_started("room", "key:b").owner == "key:b"


def test_a_list_shows_the_owners_own_running_sessions() -> None:
    _claim("one", owner="key:a")
    _claim("two", owner="key:b")
    _claim("three", owner="key:a")
    lifecycle.end_session("three", "stopped")
    assert [session.channel_name for session in lifecycle.list_started("key:a")] == ["one"]


# --- presence and idleness ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("wanted", "kept"), [(None, 60), (5, 5), (lifecycle.NEVER, None)])
def test_a_timeout_is_the_default_the_wish_or_never(wanted: int | None, kept: int | None) -> None:
    assert _claim(timeout_seconds=wanted).timeout_seconds == kept


def test_a_started_session_is_present() -> None:
    _claim(timeout_seconds=5)
    assert lifecycle.reap_once() == []


def test_an_idle_session_is_ended_and_announced_once(store: "redis.Redis") -> None:
    session = _claim(timeout_seconds=5)
    _set_seen(store, session, seconds_ago=6)
    assert [ended.id for ended in lifecycle.reap_once()] == [session.id]
    assert lifecycle.reap_once() == []
    assert Session.objects.get().end_reason == "idle"
    assert _control(store)[-1] == StopSession(session_id=session.id, reason="idle")


def test_a_touch_keeps_a_session_alive(store: "redis.Redis") -> None:
    session = _claim(timeout_seconds=5)
    _set_seen(store, session, seconds_ago=6)
    presence.touch([session.id])
    assert lifecycle.reap_once() == []
    assert 0 < store.ttl(keys.session_seen(session.id)) <= presence.PRESENCE_LIFE_SECONDS


def test_a_session_that_never_times_out_is_never_reaped(store: "redis.Redis") -> None:
    session = _claim(timeout_seconds=lifecycle.NEVER)
    _set_seen(store, session, seconds_ago=1_000_000)
    assert lifecycle.reap_once() == []


def test_without_a_presence_key_the_start_counts(store: "redis.Redis", monkeypatch: pytest.MonkeyPatch) -> None:
    old, young = _claim("old", timeout_seconds=60), _claim("young", timeout_seconds=60)
    Session.objects.filter(id=old.id).update(started_at=timezone.now() - timedelta(seconds=61))
    store.delete(keys.session_seen(old.id), keys.session_seen(young.id))
    monkeypatch.setattr(presence, "_uptime_ms", lambda: 3_600_000)
    assert [ended.channel_name for ended in lifecycle.reap_once()] == ["old"]


def test_a_redis_that_lost_its_data_ends_no_session_before_a_whole_timeout(
    store: "redis.Redis", monkeypatch: pytest.MonkeyPatch
) -> None:
    session = _claim(timeout_seconds=60)
    Session.objects.update(started_at=timezone.now() - timedelta(hours=1))
    store.delete(keys.session_seen(session.id))
    monkeypatch.setattr(presence, "_uptime_ms", lambda: 59_000)
    assert lifecycle.reap_once() == []
    monkeypatch.setattr(presence, "_uptime_ms", lambda: 61_000)
    assert [ended.id for ended in lifecycle.reap_once()] == [session.id]


def test_nobody_is_reaped_while_redis_is_away() -> None:
    _claim(timeout_seconds=5)
    _redis_is_away()
    with pytest.raises(StreamsUnavailableError):
        lifecycle.reap_once()
    assert lifecycle.find_started("room") is not None
