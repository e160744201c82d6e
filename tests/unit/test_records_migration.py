"""DB-10: the code of one release before works on today's columns, and today's rows survive the way back."""

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.state import StateApps
from django.utils import timezone
from pytest_django import DjangoDbBlocker

from sessions.models import Session, Turn
from tests.databases import used_database
from tests.postgres import fresh_database, postgres_url  # noqa: F401

BEFORE = [("nova_sessions", "0002_decision_log")]
GENERATION = 1_795_334_400_000
"""Generations follow the clock in milliseconds."""


def _migrate(targets: list[tuple[str, str]]) -> StateApps:
    executor = MigrationExecutor(connection)
    executor.migrate(targets)
    return MigrationExecutor(connection).loader.project_state(targets).apps


def _latest() -> list[tuple[str, str]]:
    return [node for node in MigrationExecutor(connection).loader.graph.leaf_nodes() if node[0] == "nova_sessions"]


@pytest.fixture(params=["sqlite", "postgres"])
def database(request: pytest.FixtureRequest, tmp_path: Path, django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    url = f"sqlite:///{tmp_path / 'old.sqlite3'}"
    if request.param == "postgres":
        url = fresh_database(request.getfixturevalue("postgres_url"))
    with used_database(url, django_db_blocker, is_migrated=False):
        yield


def _talk(apps: StateApps, channel_name: str, generation: int) -> None:
    session: Any = apps.get_model("nova_sessions", "Session")
    row = session.objects.create(channel_name=channel_name, graph_name="voice", owner="o", user_uid=1, bot_uid=2)
    apps.get_model("nova_sessions", "Turn").objects.create(
        session=row, turn_id=f"turn_{channel_name}", user_text="hello", started_at=timezone.now()
    )
    apps.get_model("nova_sessions", "DecisionLog").objects.create(
        session=row, generation=generation, first_number=0, lines=[{"number": 0}]
    )


def test_db_10_the_release_before_writes_beside_the_new_columns_and_after_the_way_back(database: None) -> None:
    old = _migrate(BEFORE)
    _talk(old, "before", 1)
    _migrate(_latest())
    _talk(old, "beside", 2)
    assert [(row.turn_count, row.cost_usd) for row in Session.objects.all()] == [(0, Decimal(0))] * 2
    assert {turn.graph_name for turn in Turn.objects.all()} == {""}
    again = _migrate(BEFORE)
    _talk(again, "after", 3)
    turns = again.get_model("nova_sessions", "Turn").objects
    assert sorted(turns.values_list("turn_id", flat=True)) == ["turn_after", "turn_before", "turn_beside"]


def test_a_generation_that_follows_the_clock_fits(database: None) -> None:
    _migrate(_latest())
    session = Session.objects.create(channel_name="c", graph_name="voice", owner="o", user_uid=1, bot_uid=2)
    row = session.decision_logs.create(generation=GENERATION, first_number=0, lines=[])
    assert session.decision_logs.get().generation == row.generation == GENERATION
