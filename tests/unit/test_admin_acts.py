"""What an operator does in the admin, and what of it is noted: stop, say, whisper, export, erase, keys, graphs."""

import csv
import dataclasses
import io
import json
import re
from datetime import timedelta
from typing import Any

import pytest
import redis
from django.test import Client
from django.utils import timezone

from sessions import lifecycle, operator_tables
from sessions.access import authenticate_key, key_owner, owners_of_ended_keys
from sessions.admin.heard import split_heard
from sessions.admin.waterfall import bars, total_ms
from sessions.graphs.library import load_graph
from sessions.models import Session, SessionState, Turn
from sessions.operator_models import ApiKey, AuditEntry, GraphSetting, Webhook
from sessions.webhooks.signing import unseal
from tests.unit.operator_rows import person, talk
from tests.unit.web_site import Configure, Site, configure  # noqa: F401
from workers.errors import BadInputError
from workers.streams import keys
from workers.streams.codec import control_from_fields
from workers.streams.messages import OperatorTablesChanged, SayText, StopSession, WhisperText

# ruff: noqa: F811
pytestmark = pytest.mark.django_db
JSON = {"Accept": "application/json"}


@pytest.fixture
def admin(configure: Configure) -> Client:
    configure(auth="required", api_keys=())
    client = Client()
    client.force_login(person("admin"))
    return client


@pytest.fixture(autouse=True)
def _tables() -> Any:
    yield
    operator_tables.forget_tables()


def controls(redis_url: str) -> list[object]:
    client = redis.Redis.from_url(redis_url)
    entries: Any = client.xrange(keys.CONTROL_STREAM)
    client.close()
    return [control_from_fields(fields) for _, fields in entries]


def noted() -> list[tuple[str, str]]:
    return list(AuditEntry.objects.order_by("id").values_list("actor", "action"))


def page(session: Session, name: str) -> str:
    return f"/admin/nova_sessions/session/{session.id}/{name}"


# --- a session --------------------------------------------------------------------------------------------------------


def test_stop_ends_the_session_and_tells_its_owner(admin: Client, redis_url: str) -> None:
    session = talk(state=SessionState.STARTED)
    assert admin.post(page(session, "stop/"), headers=JSON).json()["code"] == "0"
    session.refresh_from_db()
    assert (session.state, session.end_reason) == ("ended", "stopped")
    assert controls(redis_url) == [StopSession(session.id, "stopped")]
    assert noted() == [("admin-1", "session.stop")]


@pytest.mark.parametrize(("name", "kind"), [("say", SayText), ("whisper", WhisperText)])
def test_words_of_an_operator_go_to_the_process_that_holds_the_talk(
    name: str, kind: Any, admin: Client, redis_url: str
) -> None:
    session = talk(state=SessionState.STARTED)
    assert admin.post(page(session, f"{name}/"), {"text": " be kind "}, headers=JSON).status_code == 200
    assert controls(redis_url) == [kind(session.id, "be kind")]
    entry = AuditEntry.objects.get()
    assert (entry.action, entry.target_id, entry.detail) == (f"session.{name}", session.id, {"text": "be kind"})


@pytest.mark.parametrize("text", ["", "   ", "x" * 2_001])
def test_no_words_or_too_many_are_refused(text: str, admin: Client, redis_url: str) -> None:
    session = talk(state=SessionState.STARTED)
    assert admin.post(page(session, "whisper/"), {"text": text}, headers=JSON).status_code == 400
    assert controls(redis_url) == []


def test_a_session_that_has_ended_hears_nothing(admin: Client) -> None:
    answer = admin.post(page(talk(), "say/"), {"text": "hello"}, headers=JSON)
    assert (answer.status_code, answer.json()["code"]) == (409, "session_ended")


def test_an_act_by_a_form_leads_back_to_the_session(admin: Client) -> None:
    session = talk(state=SessionState.STARTED)
    assert admin.post(page(session, "stop/")).headers["Location"] == page(session, "change/")


def test_an_export_holds_what_was_said_and_what_was_heard(admin: Client) -> None:
    session = talk("How far is the moon?")
    exported = json.loads(admin.get(page(session, "export.json")).content)
    turn = exported["turns"][0]
    assert (turn["user"], turn["agent_heard"]) == ("How far is the moon?", "How far is")
    captions = admin.get(page(session, "export.srt")).content.decode()
    assert captions.startswith("1\n00:00:01,000 --> 00:00:02,000\nUser: How far is the moon?\n")
    assert "Agent: How far is\n" in captions
    assert [action for _, action in noted()] == ["session.export", "session.export"]


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r"])
def test_db_05_a_cell_that_begins_like_a_formula_is_made_text(start: str, admin: Client) -> None:
    session = talk(f"{start}HYPERLINK(1)")
    rows = list(csv.DictReader(io.StringIO(admin.get(page(session, "export.csv")).content.decode(), newline="")))
    assert rows[0]["user"].startswith("'")


def test_erasing_asks_first_and_leaves_only_the_note(admin: Client) -> None:
    session, other = talk("a secret"), talk("kept", channel_name="other")
    assert b"Erase the session" in admin.get(page(session, "erase/")).content
    assert Session.objects.count() == 2
    admin.post(page(session, "erase/"))
    assert list(Session.objects.all()) == [other]
    assert not Turn.objects.filter(session_id=session.id).exists()
    assert noted() == [("admin-1", "session.erase")]


def test_reading_a_transcript_is_noted(admin: Client) -> None:
    admin.get(page(talk(), "transcript/"))
    assert noted() == [("admin-1", "session.read")]


def test_a_picture_is_shown_while_it_is_kept_and_only_by_its_own_session(admin: Client, redis_url: str) -> None:
    session, other = talk(), talk(channel_name="other")
    client = redis.Redis.from_url(redis_url)
    client.set("nova:frame:0:kept", b"\xff\xd8\xff picture")
    path = f"pictures/{session.turns.get().reply_id}/0/"
    assert admin.get(page(session, path)).headers["Content-Type"] == "image/jpeg"
    assert admin.get(page(other, path)).status_code == 404
    client.delete("nova:frame:0:kept")
    client.close()
    assert admin.get(page(session, path)).headers["Content-Type"] == "image/svg+xml"


def test_what_was_heard_and_what_was_not_stand_apart() -> None:
    assert split_heard("One two. Three four.", "One  two.") == ("One two.", " Three four.")
    assert split_heard("One two.", "") == ("", "One two.")
    assert split_heard("One two.", "Something else") == ("Something else", "One two.")


def test_the_waterfalls_stages_follow_one_another_up_to_the_first_sound() -> None:
    delays = {"end_of_turn": 500.0, "first_sentence": 300.0, "speech_asked": 303.0, "first_audio": 420.0}
    made = bars(delays, 1_840.0)
    assert [(bar.start_ms, bar.length_ms) for bar in made] == [(0, 500), (500, 300), (800, 3), (803, 117)]
    assert total_ms(delays) == 920
    assert made[-1].x + made[-1].width == pytest.approx(500)


# --- keys -------------------------------------------------------------------------------------------------------------


def make_key(admin: Client, **fields: Any) -> str:
    body = {"name": "shop", "scopes": ["tickets", "sessions", "socket"], **fields}
    answer = admin.post("/admin/nova_sessions/apikey/add/", body, follow=True)
    found = re.search(r'id="new-key">([^<]+)<', answer.content.decode())
    assert found is not None
    operator_tables.read_tables()
    return found[1]


def test_a_key_is_shown_once_and_kept_as_a_hash(admin: Client) -> None:
    key = make_key(admin)
    row = ApiKey.objects.get()
    assert key not in str(ApiKey.objects.values().get())
    assert row.digest == operator_tables.digest_of(key)
    assert key not in admin.get("/admin/nova_sessions/apikey/").content.decode()
    assert key not in str(list(AuditEntry.objects.values()))
    grant = authenticate_key(key)
    assert grant is not None
    assert grant.owner == row.owner


def test_a_key_opens_what_its_scopes_allow_and_nothing_else(admin: Client) -> None:
    site = Site(make_key(admin, scopes=["tickets"]))
    assert site.generate()[0] == 200
    status, body = site.start("room")
    assert status == 403
    assert "sessions" in body["msg"]


def test_a_keys_own_limit_of_calls_holds(admin: Client) -> None:
    site = Site(make_key(admin, calls_per_minute=2))
    assert [site.generate()[0] for _ in range(3)] == [200, 200, 429]


def test_a_keys_own_limit_of_sessions_holds(admin: Client) -> None:
    site = Site(make_key(admin, sessions_at_once=1))
    assert [site.start(name)[0] for name in ("one", "two")] == [200, 503]


def test_a_keys_budget_is_known_by_its_owner(admin: Client) -> None:
    make_key(admin, budget_usd_a_day="2.5")
    assert operator_tables.key_budget_usd(ApiKey.objects.get().owner) == 2.5


def test_a_revoked_key_opens_nothing_and_stays_in_the_list(
    admin: Client, redis_url: str, django_capture_on_commit_callbacks: Any
) -> None:
    key = make_key(admin)
    row = ApiKey.objects.get()
    with django_capture_on_commit_callbacks(execute=True):
        admin.post(f"/admin/nova_sessions/apikey/{row.pk}/revoke/")
    assert OperatorTablesChanged() in controls(redis_url)
    operator_tables.read_tables()
    assert Site(key).generate()[0] == 401
    assert b"revoked" in admin.get("/admin/nova_sessions/apikey/").content
    assert [action for _, action in noted()] == ["key.make", "key.revoke"]


def ended_key(admin: Client) -> str:
    key = make_key(admin)
    ApiKey.objects.update(revoked_at=timezone.now())
    operator_tables.read_tables()
    return key


def test_the_sessions_of_a_revoked_key_end_and_no_others(admin: Client, redis_url: str) -> None:
    key = ended_key(admin)
    talk(state=SessionState.STARTED)
    own = talk(state=SessionState.STARTED, channel_name="of the key")
    Session.objects.filter(pk=own.pk).update(owner=key_owner(key))
    assert [session.pk for session in lifecycle.end_for_ended_keys()] == [own.pk]
    assert Session.objects.get(state=SessionState.ENDED).end_reason == "key_ended"
    assert StopSession(own.id, "key_ended") in controls(redis_url)
    assert lifecycle.end_for_ended_keys() == []


def test_a_revoked_key_that_the_site_itself_has_set_goes_on(admin: Client, configure: Configure) -> None:
    key = ended_key(admin)
    assert owners_of_ended_keys() == {key_owner(key)}
    configure(auth="required", api_keys=(key,))
    assert owners_of_ended_keys() == frozenset()


def test_a_key_whose_time_is_made_longer_has_not_ended(admin: Client) -> None:
    make_key(admin)
    for hours, count in ((-1, 1), (1, 0)):
        ApiKey.objects.update(expires_at=timezone.now() + timedelta(hours=hours))
        operator_tables.read_tables()
        assert len(owners_of_ended_keys()) == count


def test_a_key_has_ended_at_the_moment_of_its_expiry(admin: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    key = make_key(admin)
    soon = timezone.now() + timedelta(minutes=1)
    ApiKey.objects.update(expires_at=soon)
    operator_tables.read_tables()
    assert owners_of_ended_keys() == frozenset()
    monkeypatch.setattr(timezone, "now", lambda: soon)
    assert owners_of_ended_keys() == {key_owner(key)}


def test_an_expired_key_opens_nothing(admin: Client) -> None:
    key = make_key(admin)
    assert authenticate_key(key) is not None
    grant = operator_tables.grant_of_owner(ApiKey.objects.get().owner)
    assert grant is not None
    assert not dataclasses.replace(grant, expires_at=timezone.now()).is_valid(timezone.now())
    ApiKey.objects.update(expires_at=timezone.now())
    operator_tables.read_tables()
    assert authenticate_key(key) is None


def test_the_use_of_a_key_is_noted(admin: Client) -> None:
    key = make_key(admin)
    assert ApiKey.objects.get().last_used_at is None
    authenticate_key(key)
    operator_tables.read_tables()
    assert ApiKey.objects.get().last_used_at is not None


# --- graphs and webhooks ----------------------------------------------------------------------------------------------


def change_graph(admin: Client, properties: Any, *, is_enabled: bool = True, name: str = "voice") -> Any:
    body = {"properties": json.dumps(properties), **({"is_enabled": "on"} if is_enabled else {})}
    answer = admin.post(f"/admin/nova_sessions/graphsetting/{name}/change/", body)
    operator_tables.read_tables()
    return answer


def test_a_graphs_properties_count_from_the_next_start_on(admin: Client, settings: Any) -> None:
    properties = {"llm": {"prompt": "Speak like a pirate.", "model": "us.amazon.nova-lite-v1:0"}}
    assert change_graph(admin, properties).status_code == 302
    config = load_graph("voice").session_config({}, settings.NOVA)
    assert (config.instructions, config.model.model) == ("Speak like a pirate.", "us.amazon.nova-lite-v1:0")
    entry = AuditEntry.objects.get()
    assert (entry.action, entry.detail["after"]["properties"]) == ("graph.change", properties)


def test_what_an_operator_sets_a_client_may_still_override(admin: Client, settings: Any) -> None:
    change_graph(admin, {"llm": {"prompt": "Speak like a pirate."}})
    config = load_graph("voice").session_config({"llm": {"prompt": "Be brief."}}, settings.NOVA)
    assert config.instructions == "Be brief."


@pytest.mark.parametrize("properties", [{"nobody": {}}, {"llm": {"nothing": 1}}, {"llm": {"max_tokens": "many"}}, [1]])
def test_properties_that_do_not_fit_are_refused_by_name(properties: Any, admin: Client) -> None:
    assert change_graph(admin, properties).status_code == 200
    assert GraphSetting.objects.get(pk="voice").properties == {}


def test_a_disabled_graph_cannot_be_started(admin: Client) -> None:
    change_graph(admin, {}, is_enabled=False, name="va_nova_multimodal_aws")
    with pytest.raises(BadInputError):
        load_graph("va_nova_multimodal_aws")


def test_the_graph_of_standard_clients_cannot_be_disabled(admin: Client) -> None:
    assert change_graph(admin, {}, is_enabled=False).status_code == 200
    assert GraphSetting.objects.get(pk="voice").is_enabled


def test_a_webhooks_secret_is_shown_once_and_kept_sealed(admin: Client) -> None:
    body = {"url": "https://example.org/hook", "events": ["alert"], "is_enabled": "on"}
    answer = admin.post("/admin/nova_sessions/webhook/add/", body, follow=True).content.decode()
    found = re.search(r'id="new-secret">([^<]+)<', answer)
    assert found is not None
    hook = Webhook.objects.get()
    assert unseal(hook.sealed_secret) == found[1]
    assert found[1] not in str(list(AuditEntry.objects.values()))


def test_a_webhook_into_the_house_is_refused(admin: Client) -> None:
    body = {"url": "https://169.254.169.254/latest", "events": ["alert"], "is_enabled": "on"}
    assert admin.post("/admin/nova_sessions/webhook/add/", body).status_code == 200
    assert Webhook.objects.count() == 0
