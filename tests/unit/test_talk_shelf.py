"""The shelf on a real Redis: one owner writes, what is taken is whole or nothing, and it does not live for ever."""

import random
from collections.abc import AsyncIterator
from dataclasses import replace
from decimal import Decimal

import pytest
import redis

from sessions.live.items import Content, MessageItem
from sessions.live.portable import CONFIG, ITEM, UNDER_WAY, UnderWay
from sessions.realtime.backlog import ToldEvent
from sessions.realtime.event_line import LINE_STATE, LineState, encode, to_runs
from sessions.realtime.outbound import OutboundState
from sessions.realtime.replies import TellingState
from sessions.realtime.resume_wish import ResumeWish, judge
from sessions.talk_shelf import NOBODY, TalkChanges, TalkShelf
from tests.unit.realtime_double import session_config
from workers.streams import keys
from workers.streams.redis_clients import async_command_client

SESSION = "sess_shelf"
EPOCH = "0123456789ab"
LINE = LineState(OutboundState(True, False, ()), TellingState((), ()))
ITEMS = {f"item_{n}": MessageItem(f"item_{n}", "user", (Content("input_text", f"words {n}"),)) for n in range(3)}


def events(first: int, last: int) -> list[ToldEvent]:
    numbers = range(first, last + 1)
    return [ToldEvent(n, encode({"type": "x", "event_id": f"evt_{EPOCH}_{n}"})) for n in numbers]


def whole(generation: int, seq: int = 10, owner: bytes = b"web", *, first: int = 1) -> TalkChanges:
    fields: dict[str, bytes | str | int] = {
        "owner": owner,
        "epoch": EPOCH,
        "seq": seq,
        "output_stream": "nova:output:web",
        "output_position": "5-0",
        "line": LINE_STATE.dump_json(LINE),
        "under_way": UNDER_WAY.dump_json(UnderWay()),
        "order": " ".join(ITEMS),
        "config": CONFIG.dump_json(session_config()),
    }
    items = {key: ITEM.dump_json(item) for key, item in ITEMS.items()}
    runs = to_runs(events(first, seq))
    return TalkChanges(SESSION, generation, fields, items, (), runs, kept_runs=len(runs), is_whole=True)


def more(generation: int, first: int, last: int, kept_runs: int = 100) -> TalkChanges:
    fields: dict[str, bytes | str | int] = {"owner": b"web", "seq": last}
    return TalkChanges(SESSION, generation, fields, runs=to_runs(events(first, last)), kept_runs=kept_runs)


@pytest.fixture
async def shelf(redis_url: str) -> AsyncIterator[TalkShelf]:
    client = async_command_client(redis_url)
    yield TalkShelf(client)
    await client.aclose()


@pytest.fixture
def store(redis_url: str) -> "redis.Redis":
    return redis.Redis.from_url(redis_url)


async def test_what_was_written_in_parts_comes_back_whole(shelf: TalkShelf) -> None:
    assert await shelf.save([whole(1), more(1, 11, 14)]) == [True, True]
    kept = await shelf.claim(SESSION, 2)
    assert kept is not None
    assert (kept.talk.config, kept.talk.items) == (session_config(), tuple(ITEMS.values()))
    assert [each.seq for each in kept.events] == list(range(1, 15))
    assert (kept.epoch, kept.seq, kept.is_final, kept.output_position) == (EPOCH, 14, False, "5-0")


@pytest.mark.parametrize(("fields", "spent_usd"), [({"spent_usd": "0.012500"}, "0.0125"), ({}, "0")])
async def test_what_a_talk_has_spent_goes_with_it_and_an_older_version_writes_nothing_of_it(
    shelf: TalkShelf, fields: dict[str, str], spent_usd: str
) -> None:
    written = whole(1)
    await shelf.save([replace(written, fields={**written.fields, **fields})])
    kept = await shelf.claim(SESSION, 2)
    assert kept is not None
    assert kept.talk.spent_usd == Decimal(spent_usd)


async def test_v4_after_a_claim_the_older_owner_writes_nothing(shelf: TalkShelf) -> None:
    await shelf.save([whole(1)])
    await shelf.claim(SESSION, 2)
    assert await shelf.save([more(1, 11, 12)]) == [False]
    await shelf.remove(SESSION, 1)
    kept = await shelf.claim(SESSION, 3)
    assert kept is not None
    assert kept.seq == 10


async def test_v4_of_two_that_claim_the_newer_keeps_it(shelf: TalkShelf) -> None:
    await shelf.save([whole(1)])
    assert await shelf.claim(SESSION, 3) is not None
    assert await shelf.claim(SESSION, 2) is None
    assert await shelf.save([more(2, 11, 12), more(3, 11, 12)]) == [False, True]


async def test_a_new_talk_on_the_channel_leaves_nothing_of_the_one_before(shelf: TalkShelf) -> None:
    await shelf.save([whole(1)])
    fresh = whole(2, seq=3)
    await shelf.save([fresh])
    kept = await shelf.claim(SESSION, 2)
    assert kept is not None
    assert [each.seq for each in kept.events] == [1, 2, 3]


async def test_a_write_that_may_have_arrived_is_written_whole_again_without_a_double(shelf: TalkShelf) -> None:
    await shelf.save([whole(1)])
    await shelf.save([whole(1)])
    kept = await shelf.claim(SESSION, 2)
    assert kept is not None
    assert [each.seq for each in kept.events] == list(range(1, 11))


async def test_an_owner_that_let_go_has_no_name(shelf: TalkShelf) -> None:
    await shelf.save([whole(1, owner=NOBODY)])
    assert await shelf.owner(SESSION) == NOBODY
    kept = await shelf.claim(SESSION, 2)
    assert kept is not None
    assert kept.is_final


async def test_cl_02_fifty_random_trims_are_whole_or_refused(shelf: TalkShelf) -> None:
    chance = random.Random(2)
    verdicts = set()
    for generation in range(1, 51):
        last = chance.randint(20, 60)
        await shelf.save([whole(generation, seq=10), more(generation, 11, last, kept_runs=chance.randint(1, 30))])
        kept = await shelf.claim(SESSION, generation)
        assert kept is not None
        wish = ResumeWish(EPOCH, seq := chance.randint(0, last), seq)
        verdict = judge(wish, kept.epoch, kept.first_seq, kept.seq, is_last_known=True)
        missed = [each.seq for each in kept.events if each.seq > seq]
        verdicts.add(verdict)
        assert (verdict == "whole") == (missed == list(range(seq + 1, last + 1)))
    assert verdicts == {"whole", "trimmed"}


async def test_cl_03_an_emptied_redis_keeps_nothing_and_takes_writes_again(
    shelf: TalkShelf, store: "redis.Redis"
) -> None:
    await shelf.save([whole(1)])
    store.flushall()
    store.script_flush()
    assert await shelf.owner(SESSION) is None
    assert await shelf.claim(SESSION, 2) is None
    assert await shelf.save([whole(2)]) == [True]


async def test_every_key_of_a_talk_expires(shelf: TalkShelf, store: "redis.Redis") -> None:
    await shelf.save([whole(1)])
    lives = [store.ttl(key) for key in keys.talk(SESSION)]
    assert all(0 < life <= keys.KEPT_TALK_LIFE_SECONDS for life in lives)


async def test_what_another_version_wrote_is_no_talk(shelf: TalkShelf, store: "redis.Redis") -> None:
    await shelf.save([whole(1)])
    store.hset(keys.talk(SESSION)[0], "under_way", '{"reply": 7}')
    assert await shelf.claim(SESSION, 2) is None
