"""Webhooks: where they may go, how they are signed, tried again and kept in line, on a receiver of our own."""

import asyncio
import ipaddress
import json
import random
import socket
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from typing import Any

import pytest
from aiohttp import web
from asgiref.sync import sync_to_async
from django.utils import timezone

from sessions import lifecycle
from sessions.models import Session
from sessions.operator_models import DeliveryState, Webhook, WebhookDelivery, WebhookEvent
from sessions.records.endings import Endings
from sessions.records.rows import write_batch
from sessions.webhooks import queue, sender
from sessions.webhooks.addresses import AddressForbiddenError, GuardedResolver, check_url, is_public
from sessions.webhooks.queue import Happened, alert, queue_events
from sessions.webhooks.retries import MAX_ATTEMPTS, WAITS_SECONDS, wait_seconds
from sessions.webhooks.signing import SecretUnreadableError, new_secret, seal, signature, unseal
from tests.unit.operator_rows import talk
from tests.unit.record_samples import event, read
from tests.unit.web_site import Configure, configure  # noqa: F401
from workers.errors import BadInputError

# ruff: noqa: F811
SECRET = new_secret()
ALL_EVENTS = [event.value for event in WebhookEvent]


# --- where they may go ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "address",
    "127.0.0.1 10.1.2.3 172.16.0.1 192.168.1.1 169.254.169.254 100.64.0.1 0.0.0.0 224.0.0.1 255.255.255.255 "
    "::1 :: fe80::1 fd00:ec2::254 ff02::1 ::ffff:10.0.0.1 2002:7f00:1:: 64:ff9b::a9fe:a9fe 2001:0:53aa::1".split(),
)
def test_an_address_of_a_private_network_is_none_of_the_internets(address: str) -> None:
    assert not is_public(ipaddress.ip_address(address))


@pytest.mark.parametrize("address", ["8.8.8.8", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"])
def test_an_address_of_the_internet_is_public(address: str) -> None:
    assert is_public(ipaddress.ip_address(address))


@pytest.mark.parametrize(
    "url",
    [
        "http://example.org/",
        "https://localhost/",
        "https://a.localhost./",
        "https://127.0.0.1/",
        "https://127.1/",
        "https://2130706433/",
        "https://0x7f000001/",
        "https://[::1]:8443/",
        "https://[::ffff:169.254.169.254]/",
        "https://user:word@example.org/",
        "ftp://example.org/",
        "https:///path",
        "https://example.org:0/",
        "https://example.org:99999/",
        "javascript:alert(1)",
    ],
)
def test_a_url_that_leads_into_the_house_is_refused(url: str) -> None:
    with pytest.raises(BadInputError):
        check_url(url, allows_private=False)


def test_a_url_of_the_internet_is_accepted() -> None:
    check_url("https://hooks.example.org:8443/nova?a=b", allows_private=False)


async def test_a_name_that_resolves_to_a_private_address_is_refused_when_it_is_used() -> None:
    with pytest.raises(AddressForbiddenError):
        await GuardedResolver(allows_private=False).resolve("localhost", 443, socket.AF_INET)


# --- signing and trying again -----------------------------------------------------------------------------------------


def test_a_signature_is_that_of_the_standard() -> None:
    """The example of the Standard Webhooks libraries."""
    secret, body = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", b'{"test": 2432232314}'
    signed = signature(secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, body)
    assert signed == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_a_secret_is_sealed_and_readable_with_the_same_key_alone(settings: Any) -> None:
    sealed = seal(SECRET)
    assert SECRET not in sealed
    assert unseal(sealed) == SECRET
    settings.SECRET_KEY = "another key " * 5
    with pytest.raises(SecretUnreadableError):
        unseal(sealed)


def test_waits_grow_and_end_after_about_a_day() -> None:
    waits = [wait_seconds(attempts, random.Random(1)) for attempts in range(1, MAX_ATTEMPTS + 1)]
    assert waits[-1] is None
    known = [wait for wait in waits if wait is not None]
    assert known == sorted(known)
    assert 72_000 < sum(known) < 100_000
    assert len(known) == len(WAITS_SECONDS)


# --- the way there ----------------------------------------------------------------------------------------------------


class Receiver:
    """Answers with the statuses it was told, 200 afterwards, and keeps what came."""

    def __init__(self) -> None:
        self.statuses: list[int] = []
        self.came: list[tuple[dict[str, str], dict[str, Any]]] = []
        self.url = ""

    async def take(self, request: web.Request) -> web.Response:
        body = await request.read()
        self.came.append((dict(request.headers), json.loads(body)))
        headers = dict(request.headers)
        expected = signature(SECRET, headers["webhook-id"], int(headers["webhook-timestamp"]), body)
        if headers["webhook-signature"] != expected:
            return web.Response(status=400)
        status = self.statuses.pop(0) if self.statuses else 200
        return web.Response(status=status, headers={"Location": self.url} if status == 302 else None)

    @property
    def numbers(self) -> list[Any]:
        return [payload["data"].get("number") for _, payload in self.came]


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    found = Receiver()
    application = web.Application()
    application.router.add_post("/hook", found.take)
    runner = web.AppRunner(application)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    found.url = f"http://127.0.0.1:{port}/hook"
    yield found
    await runner.cleanup()


@pytest.fixture
async def post(receiver: Receiver, transactional_db: None) -> AsyncIterator[sender.WebhookSender]:
    await sync_to_async(Webhook.objects.create)(url=receiver.url, sealed_secret=seal(SECRET), events=ALL_EVENTS)
    made = sender.WebhookSender(allows_private=True)
    yield made
    await made.close()


async def happen(*lines_and_numbers: tuple[str, int]) -> None:
    events = [Happened(WebhookEvent.TURN_FINISHED, line, {"number": number}) for line, number in lines_and_numbers]
    await sync_to_async(queue_events)(events)


async def be_due() -> None:
    await WebhookDelivery.objects.filter(state=DeliveryState.WAITING).aupdate(next_attempt_at=timezone.now())


async def states() -> list[str]:
    return [row.state async for row in WebhookDelivery.objects.order_by("id")]


async def test_what_happens_is_sent_signed_and_in_order(receiver: Receiver, post: sender.WebhookSender) -> None:
    await happen(("a", 1), ("a", 2), ("a", 3))
    await post.send_due()
    assert receiver.numbers == [1, 2, 3]
    assert await states() == ["delivered"] * 3
    headers, payload = receiver.came[0]
    assert payload["type"] == "turn.finished"
    assert payload["id"] == headers["webhook-id"]


async def test_a_failure_holds_its_own_line_and_no_other(receiver: Receiver, post: sender.WebhookSender) -> None:
    receiver.statuses = [500]
    await happen(("a", 1))
    await post.send_due()
    await happen(("a", 2), ("b", 3))
    await post.send_due()
    assert receiver.numbers == [1, 3]
    await be_due()
    await post.send_due()
    assert receiver.numbers == [1, 3, 1, 2]
    assert await states() == ["delivered"] * 3


async def test_a_redirect_is_a_failure_and_is_not_followed(receiver: Receiver, post: sender.WebhookSender) -> None:
    receiver.statuses = [302]
    await happen(("a", 1))
    await post.send_due()
    assert len(receiver.came) == 1
    assert (await WebhookDelivery.objects.aget()).last_error == "answered 302"


async def test_after_the_last_attempt_it_is_given_up_and_the_next_goes(
    receiver: Receiver, post: sender.WebhookSender
) -> None:
    receiver.statuses = [500]
    await happen(("a", 1), ("a", 2))
    await WebhookDelivery.objects.filter(payload__data__number=1).aupdate(attempts=MAX_ATTEMPTS - 1)
    await post.send_due()
    assert receiver.numbers == [1, 2]
    assert await states() == ["given_up", "delivered"]


async def test_a_receiver_that_is_gone_is_asked_no_more(receiver: Receiver, post: sender.WebhookSender) -> None:
    receiver.statuses = [410]
    await happen(("a", 1), ("a", 2))
    await post.send_due()
    assert receiver.numbers == [1]
    assert not (await Webhook.objects.aget()).is_enabled


async def test_two_senders_at_once_send_nothing_twice(receiver: Receiver, post: sender.WebhookSender) -> None:
    await happen(*((f"line {number}", number) for number in range(10)))
    other = sender.WebhookSender(allows_private=True)
    await asyncio.gather(post.send_due(), other.send_due())
    await other.close()
    assert sorted(receiver.numbers) == list(range(10))


async def test_without_leave_nothing_is_sent_into_the_house(receiver: Receiver, transactional_db: None) -> None:
    url = receiver.url.replace("http://", "https://").replace("127.0.0.1", "localhost.localdomain")
    await Webhook.objects.acreate(url=url, sealed_secret=seal(SECRET), events=ALL_EVENTS)
    await happen(("a", 1))
    strict = sender.WebhookSender(allows_private=False)
    await strict.send_due()
    await strict.close()
    assert receiver.came == []
    assert (await WebhookDelivery.objects.aget()).state == DeliveryState.WAITING


# --- what is queued ---------------------------------------------------------------------------------------------------


@pytest.fixture
def hook(db: None) -> Callable[[list[str]], Webhook]:
    def make(events: list[str]) -> Webhook:
        return Webhook.objects.create(url="https://example.org/", sealed_secret=seal(SECRET), events=events)

    return make


def queued() -> list[tuple[str, str]]:
    return list(WebhookDelivery.objects.order_by("id").values_list("event", "line"))


def test_a_webhook_gets_what_it_asked_for_alone(hook: Callable[[list[str]], Webhook]) -> None:
    hook(["alert"])
    queue_events([alert("errors_many", "many"), Happened(WebhookEvent.TURN_FINISHED, "s", {})])
    assert queued() == [("alert", "alerts")]


def test_a_line_that_is_full_takes_no_more(
    hook: Callable[[list[str]], Webhook], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queue, "WAITING_MAX", 2)
    hook(ALL_EVENTS)
    for number in range(4):
        queue_events([Happened(WebhookEvent.TURN_FINISHED, "s", {"number": number})])
    assert WebhookDelivery.objects.count() == 2


def test_a_session_tells_of_its_start_and_its_end(hook: Callable[[list[str]], Webhook], configure: Configure) -> None:
    configure()
    hook(ALL_EVENTS)
    session = lifecycle.claim_channel("room", "voice", "me", overrides={}, user_uid=1, bot_uid=2)
    lifecycle.end_found_session(session, "stopped")
    lifecycle.end_found_session(session, "stopped")
    endings = Endings()
    endings.look()
    endings.tell()
    assert queued() == [("session.started", session.id), ("session.ended", session.id)]
    payload = WebhookDelivery.objects.order_by("id")[1].payload
    assert (payload["type"], payload["data"]["end_reason"]) == ("session.ended", "stopped")


def test_a_finished_turn_is_told_without_a_word_of_it(hook: Callable[[list[str]], Webhook]) -> None:
    session = talk("a secret word")
    hook(ALL_EVENTS)
    queue_events(queue.turns_finished(session.turns.all()))
    sent = json.dumps(WebhookDelivery.objects.get().payload)
    assert "secret" not in sent
    assert session.id in sent


def test_an_alert_of_watch_mode_is_told_once(hook: Callable[[list[str]], Webhook]) -> None:
    session = talk("a word")
    hook(ALL_EVENTS)
    raised = read(
        {"kind": "more", "session_id": session.id, "events": [event(7, "alert", code="watch", text="Smoke.")]}
    )
    for _ in range(2):
        write_batch(raised)
    assert WebhookDelivery.objects.get().payload["data"] == {
        "code": "watch",
        "text": "Smoke.",
        "session_id": session.id,
    }


def test_old_deliveries_are_removed_and_waiting_ones_stay(hook: Callable[[list[str]], Webhook]) -> None:
    hook(ALL_EVENTS)
    queue_events([alert("a", "b"), alert("c", "d")])
    done = WebhookDelivery.objects.order_by("id")[0]
    long_ago = timezone.now() - timedelta(days=sender.KEPT_DAYS + 1)
    WebhookDelivery.objects.filter(pk=done.pk).update(state=DeliveryState.DELIVERED, finished_at=long_ago)
    assert sender.remove_old() == 1
    assert WebhookDelivery.objects.get().state == DeliveryState.WAITING
    assert Session.objects.count() == 0
