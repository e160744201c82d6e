"""The dashboard's figures: the same as computed apart from the event log, in a number of queries that no row adds to."""

import json
import math
import random
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.core.cache import cache
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from sessions import figures as figures_module
from sessions.alerts import judge, look, standing_alerts
from sessions.figures import PERCENTS, Span, dashboard_figures, percentiles
from sessions.models import Session, SessionState, Turn
from sessions.operator_models import Webhook, WebhookDelivery
from sessions.quotas import QuotaUse, quotas_in_use
from sessions.records.writer import write_entries
from tests.unit.operator_rows import person, talk
from tests.unit.web_site import Configure, configure  # noqa: F401

# ruff: noqa: F811
pytestmark = pytest.mark.django_db
NOW = datetime(2026, 11, 2, 12, 0, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _no_cache() -> Iterator[None]:
    cache.clear()
    yield
    cache.clear()


def log_of_a_talk(session: Session, count: int) -> list[dict[str, Any]]:
    """Records of turns as a web process puts them onto the stream, in the hours before NOW."""
    chance = random.Random(7)
    records = []
    for number in range(count):
        ended = NOW - timedelta(seconds=chance.uniform(1, 86_000))
        kind = chance.random()
        delays = {"end_of_turn": chance.uniform(100, 900), "first_audio": chance.lognormvariate(6, 0.8)}
        records.append(
            {
                "kind": "turn",
                "session_id": session.id,
                "turn_id": f"item_{number}",
                "reply_id": f"resp_{number}",
                "user_text": "hello",
                "status": "failed" if kind < 0.1 else "interrupted" if kind < 0.3 else "completed",
                "error_code": "provider_timeout" if kind < 0.1 else "",
                "started_at": (ended - timedelta(seconds=5)).timestamp(),
                "paused_at": (ended - timedelta(seconds=4)).timestamp(),
                "ended_at": ended.timestamp(),
                "delays": {} if kind < 0.1 else delays,
            }
        )
    return records


def nearest_rank(values: list[float], percent: int) -> float:
    ordered = sorted(values)
    return ordered[max(0, math.ceil(len(ordered) * percent / 100) - 1)]


def test_the_dashboards_percentiles_are_those_computed_apart_from_the_event_log() -> None:
    session = talk(turns=0)
    log = log_of_a_talk(session, 500)
    entries = [(f"{number}-0".encode(), {b"body": json.dumps(record).encode()}) for number, record in enumerate(log)]
    written = write_entries(entries)
    assert written.refused == []
    figures = dashboard_figures(Span(NOW - timedelta(days=1), NOW), NOW)
    spoken = [record["delays"] for record in log if record["delays"]]
    apart = [delays["end_of_turn"] + delays["first_audio"] for delays in spoken]
    totals = figures["totals"]
    assert totals["turns"] == 500
    assert totals["delay_count"] == len(apart)
    for percent in PERCENTS:
        assert totals["delay"][f"p{percent}"] == pytest.approx(nearest_rank(apart, percent), abs=0.06)
    assert totals["errors"] == sum(1 for record in log if record["status"] == "failed")
    assert totals["interruptions"] == sum(1 for record in log if record["status"] == "interrupted")
    assert sum(figures["series"]["turns"]) == 500
    assert figures["graphs"][0]["delay"] == totals["delay"]


def test_of_more_turns_than_are_read_all_are_counted_and_the_newest_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    session = talk(turns=0)
    log = log_of_a_talk(session, 60)
    write_entries([(f"{number}-0".encode(), {b"body": json.dumps(line).encode()}) for number, line in enumerate(log)])
    span = Span(NOW - timedelta(days=1), NOW)
    whole = dashboard_figures(span, NOW)
    monkeypatch.setattr(figures_module, "TURNS_READ", 20)
    capped = dashboard_figures(span, NOW)
    assert capped["totals"]["delays_are_capped"]
    assert capped["totals"]["delay_count"] <= 20
    for name in ("turns", "errors", "interruptions"):
        assert capped["totals"][name] == whole["totals"][name]
        assert capped["series"][name] == whole["series"][name]


def test_percentiles_of_nothing_are_unknown() -> None:
    assert percentiles([]) == {"p50": None, "p95": None, "p99": None}


def test_a_span_of_one_graph_leaves_others_out() -> None:
    talk(started_at=NOW - timedelta(hours=1))
    other = talk(started_at=NOW - timedelta(hours=1), channel_name="other")
    Session.objects.filter(pk=other.pk).update(graph_name="vision")
    Turn.objects.filter(session=other).update(graph_name="vision")
    figures = dashboard_figures(Span(NOW - timedelta(days=1), NOW, "voice"), NOW)
    assert (figures["totals"]["turns"], figures["totals"]["sessions_started"]) == (1, 1)
    assert [graph["graph_name"] for graph in figures["graphs"]] == ["voice"]


def test_live_sessions_are_those_with_an_open_socket() -> None:
    talk(state=SessionState.STARTED)
    waiting = talk(state=SessionState.STARTED, channel_name="waiting")
    Session.objects.filter(pk=waiting.pk).update(connected_at=None)
    now = dashboard_figures(Span(NOW - timedelta(days=1), NOW), NOW)["now"]
    assert (now["running"], now["live"]) == (2, 1)


PAGES: dict[str, Callable[[Session], str]] = {
    "figures": lambda session: "/admin/figures/?hours=720",
    "dashboard": lambda session: "/admin/",
    "sessions": lambda session: "/admin/nova_sessions/session/?is=ended&graph=voice&q=room",
    "turns": lambda session: "/admin/nova_sessions/turn/?slower=1000",
    "session": lambda session: f"/admin/nova_sessions/session/{session.id}/change/",
    "transcript": lambda session: f"/admin/nova_sessions/session/{session.id}/transcript/",
    "turn": lambda session: f"/admin/nova_sessions/turn/{session.turns.all()[0].pk}/change/",
    "keys": lambda session: "/admin/nova_sessions/apikey/",
    "webhooks": lambda session: "/admin/nova_sessions/webhook/",
    "deliveries": lambda session: "/admin/nova_sessions/webhookdelivery/",
    "audit": lambda session: "/admin/nova_sessions/auditentry/",
}
MOST_QUERIES = 24


@pytest.mark.parametrize("name", PAGES)
def test_a_page_asks_as_many_queries_for_thirty_rows_as_for_two(name: str, configure: Configure) -> None:
    page: Any = PAGES[name]
    configure(auth="required")
    client = Client()
    client.force_login(person("root"))
    started_at = timezone.now() - timedelta(hours=2)
    session = talk(turns=2, started_at=started_at)
    hook = Webhook.objects.create(url="https://example.org/", sealed_secret="s", events=[])
    client.get(page(session))
    few = count_queries(client, page(session))
    for number in range(28):
        talk(channel_name=f"room {number}", turns=2, started_at=started_at)
        WebhookDelivery.objects.create(webhook=hook, event="alert", line="alerts", payload={})
    cache.clear()
    many = count_queries(client, page(session))
    assert many <= few
    assert many <= MOST_QUERIES


def count_queries(client: Client, path: str) -> int:
    cache.clear()
    with CaptureQueriesContext(connection) as captured:
        assert client.get(path).status_code == 200
    return len(captured)


# --- alerts -----------------------------------------------------------------------------------------------------------

GOOD = {"turns": 50, "errors": 1, "error_rate": 0.02, "delay": {"p95": 900.0}}


@pytest.mark.parametrize(
    ("recent", "quotas", "codes"),
    [
        (GOOD, [], []),
        ({**GOOD, "error_rate": 0.2}, [], ["errors_many"]),
        ({**GOOD, "turns": 3, "error_rate": 1.0}, [], []),
        ({**GOOD, "delay": {"p95": 5_000.0}}, [], ["answers_slow"]),
        ({**GOOD, "delay": {"p95": None}}, [], []),
        (GOOD, [QuotaUse("Transcribe streams", 23, 25)], ["quota_tight.transcribe_streams"]),
        (GOOD, [QuotaUse("Sessions", 1, 100)], []),
    ],
)
def test_an_alert_is_raised_for_what_needs_an_operator(
    recent: dict[str, Any], quotas: list[QuotaUse], codes: list[str]
) -> None:
    assert [alert.code for alert in judge(recent, quotas)] == codes


def test_an_alert_is_told_when_it_begins_and_when_it_ends(configure: Configure) -> None:
    configure(sessions_max=1)
    Webhook.objects.create(url="https://example.org/", sealed_secret="s", events=["alert"])
    session = talk(state=SessionState.STARTED)
    look(NOW)
    look(NOW + timedelta(seconds=30))
    assert [alert.code for alert in standing_alerts()] == ["quota_tight.sessions"]
    assert standing_alerts()[0].since == NOW.isoformat()
    Session.objects.filter(pk=session.pk).update(state=SessionState.ENDED)
    look(NOW + timedelta(seconds=60))
    assert standing_alerts() == []
    told = [row.payload["data"]["state"] for row in WebhookDelivery.objects.order_by("id")]
    assert told == ["raised", "resolved"]


def test_quotas_without_redis_are_those_of_the_rows(configure: Callable[..., None]) -> None:
    configure(redis_url="redis://127.0.0.1:1/0")
    assert [quota.name for quota in quotas_in_use()] == ["Sessions"]
