"""Sends what waits, line by line, from one web process; a receiver that is slow or away delays nobody but itself."""

import asyncio
import json
import random
import time
from dataclasses import dataclass
from datetime import timedelta

import aiohttp
import structlog
from asgiref.sync import sync_to_async
from django.db import close_old_connections
from django.db.models import Exists, OuterRef
from django.utils import timezone

from sessions.operator_models import DeliveryState, Webhook, WebhookDelivery
from sessions.webhooks.addresses import GuardedResolver, check_url
from sessions.webhooks.retries import is_final, wait_seconds
from sessions.webhooks.signing import signature, unseal
from workers.errors import BadInputError, NovaError

log = structlog.get_logger(__name__)

ROUND_SECONDS = 2.5
"""One round of `send_due`; with a last attempt under way it ends within the lease of 4 s only by `CLAIM_SECONDS`."""
ATTEMPT_SECONDS = 5.0
CLAIM_SECONDS = 20.0
"""An attempt is nobody else's for so long, also when its process has lost the lease meanwhile."""
AT_ONCE = 16
READ_BYTES = 2_048
KEPT_DAYS = 7
REMOVED_AT_ONCE = 1_000


@dataclass(frozen=True, slots=True)
class Claimed:
    delivery: WebhookDelivery
    url: str
    sealed_secret: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """`status` is None when no answer came."""

    status: int | None
    error: str = ""

    @property
    def is_delivered(self) -> bool:
        return self.status is not None and 200 <= self.status < 300


class WebhookSender:
    """One per web process, its rounds run under a lease. `close` it at the end."""

    def __init__(self, *, allows_private: bool) -> None:
        self._allows_private = allows_private
        self._chance = random.Random()
        self._session: aiohttp.ClientSession | None = None

    def _open(self) -> aiohttp.ClientSession:
        """No cookies, no proxy of the environment: what is sent depends on the row alone."""
        if self._session is None:
            resolver = GuardedResolver(allows_private=self._allows_private)
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(resolver=resolver, limit=AT_ONCE, use_dns_cache=False),
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=aiohttp.ClientTimeout(total=ATTEMPT_SECONDS),
                headers={"User-Agent": "nova-realtime-webhooks/1"},
            )
        return self._session

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def send_due(self) -> int:
        """What is due now, the first of each line; again while more follows. Raises DatabaseError."""
        deadline, sent = time.monotonic() + ROUND_SECONDS, 0
        while time.monotonic() < deadline:
            claimed = await sync_to_async(claim_due)()
            if not claimed:
                break
            await asyncio.gather(*(self._deliver(each) for each in claimed))
            sent += len(claimed)
        return sent

    async def _deliver(self, claimed: Claimed) -> None:
        outcome = await self._post(claimed)
        wait = None if outcome.is_delivered else wait_seconds(claimed.delivery.attempts, self._chance)
        await sync_to_async(write_outcome)(claimed.delivery, outcome, wait)

    async def _post(self, claimed: Claimed) -> Outcome:
        try:
            check_url(claimed.url, allows_private=self._allows_private)
            body = json.dumps(claimed.delivery.payload, ensure_ascii=False, separators=(",", ":")).encode()
            headers = _headers(claimed, body, int(time.time()))
            return await self._ask(claimed.url, body, headers)
        except BadInputError as error:
            return Outcome(None, f"the URL {error.text}")
        except NovaError as error:
            return Outcome(None, error.text)
        except TimeoutError:
            return Outcome(None, f"no answer within {ATTEMPT_SECONDS:.0f} s")
        except (aiohttp.ClientError, OSError, ValueError) as error:
            return Outcome(None, f"{type(error).__name__}: {error}"[:300])

    async def _ask(self, url: str, body: bytes, headers: dict[str, str]) -> Outcome:
        # A redirect could lead anywhere: it counts as a failure.
        async with self._open().post(url, data=body, headers=headers, allow_redirects=False) as answer:
            await answer.content.read(READ_BYTES)
            return Outcome(answer.status, "" if answer.status < 300 else f"answered {answer.status}")


def _headers(claimed: Claimed, body: bytes, now: int) -> dict[str, str]:
    delivery_id = claimed.delivery.delivery_id
    return {
        "Content-Type": "application/json",
        "webhook-id": delivery_id,
        "webhook-timestamp": str(now),
        "webhook-signature": signature(unseal(claimed.sealed_secret), delivery_id, now, body),
    }


def claim_due() -> list[Claimed]:
    """The first waiting delivery of each line, if it is due; nobody else sends it for CLAIM_SECONDS."""
    close_old_connections()
    now = timezone.now()
    earlier = WebhookDelivery.objects.filter(
        webhook=OuterRef("webhook"), line=OuterRef("line"), state=DeliveryState.WAITING, id__lt=OuterRef("id")
    )
    due = (
        WebhookDelivery.objects.filter(
            ~Exists(earlier), state=DeliveryState.WAITING, next_attempt_at__lte=now, webhook__is_enabled=True
        )
        .select_related("webhook")
        .order_by("next_attempt_at", "id")[:AT_ONCE]
    )
    return [claimed for delivery in due if (claimed := _claim(delivery, now + timedelta(seconds=CLAIM_SECONDS)))]


def _claim(delivery: WebhookDelivery, until: object) -> Claimed | None:
    same = WebhookDelivery.objects.filter(
        pk=delivery.pk, attempts=delivery.attempts, next_attempt_at=delivery.next_attempt_at
    )
    if not same.update(attempts=delivery.attempts + 1, next_attempt_at=until):
        return None
    delivery.attempts += 1
    return Claimed(delivery, delivery.webhook.url, delivery.webhook.sealed_secret)


def write_outcome(delivery: WebhookDelivery, outcome: Outcome, wait: float | None) -> None:
    now = timezone.now()
    row = WebhookDelivery.objects.filter(pk=delivery.pk)
    answer = {"last_status": outcome.status, "last_error": outcome.error}
    if outcome.is_delivered:
        row.update(state=DeliveryState.DELIVERED, finished_at=now, **answer)
        return
    log.warning("webhook_failed", webhook_id=delivery.webhook_id, attempts=delivery.attempts, status=outcome.status)
    is_gone = outcome.status is not None and is_final(outcome.status)
    if is_gone:
        Webhook.objects.filter(pk=delivery.webhook_id).update(is_enabled=False)
    if wait is None or is_gone:
        row.update(state=DeliveryState.GIVEN_UP, finished_at=now, **answer)
    else:
        row.update(next_attempt_at=now + timedelta(seconds=wait), **answer)


def remove_old() -> int:
    """Some of the deliveries that ended more than KEPT_DAYS ago."""
    close_old_connections()
    old = WebhookDelivery.objects.filter(finished_at__lt=timezone.now() - timedelta(days=KEPT_DAYS))
    ids = list(old.order_by("finished_at").values_list("id", flat=True)[:REMOVED_AT_ONCE])
    return WebhookDelivery.objects.filter(id__in=ids).delete()[0]
