"""Who may come in: API keys and what they allow, Origin and Host, the front door's secret; and what a client's address is."""

import hmac
import ipaddress
from collections.abc import Sequence
from urllib.parse import urlsplit

from django.conf import settings as django_settings
from django.http.request import split_domain_port, validate_host

from sessions.configured import web_settings
from sessions.operator_tables import KeyGrant, digest_of, ended_owners, find_key, owner_of_digest

OPEN_OWNER = "open"


def key_owner(key: str) -> str:
    return owner_of_digest(digest_of(key))


def user_owner(user_id: int) -> str:
    return f"user:{user_id}"


def authenticate_key(key: str) -> KeyGrant | None:
    """What an API key allows, or None. Compares with every key of NOVA_API_KEYS, in constant time; does no I/O.

    In open mode any key will do: OpenAI's clients cannot be used without one.
    """
    if web_settings().auth == "open":
        return KeyGrant(OPEN_OWNER)
    given = digest_of(key).encode()
    found: KeyGrant | None = None
    for known in web_settings().api_keys:
        if hmac.compare_digest(given, digest_of(known).encode()):
            found = KeyGrant(key_owner(known))
    return found or find_key(key)


def owners_of_ended_keys() -> frozenset[str]:
    """Whose key an operator has revoked, or has let expire; one that stands in NOVA_API_KEYS too goes on."""
    ended = ended_owners()
    return ended - {key_owner(known) for known in web_settings().api_keys} if ended else ended


def host_is_allowed(host: str) -> bool:
    """True when the Host header names this site (DJANGO_ALLOWED_HOSTS and loopback), whatever its port."""
    domain, _ = split_domain_port(host)
    return bool(domain) and validate_host(domain, django_settings.ALLOWED_HOSTS)


def origin_is_allowed(origin: str | None, host: str) -> bool:
    """Exact: our own host, NOVA_PUBLIC_URL or one of NOVA_ALLOWED_ORIGINS; no Origin at all is no browser."""
    if origin is None:
        return True
    normal = origin.strip().lower()
    if normal in listed_origins():
        return True
    parts = _split(normal)
    if parts is None or parts[0] not in ("http", "https"):
        return False
    return parts[1] == host.strip().lower() and host_is_allowed(host)


def listed_origins() -> frozenset[str]:
    """The origins that may call from elsewhere, as browsers write them."""
    settings = web_settings()
    allowed = {origin.rstrip("/").lower() for origin in settings.allowed_origins}
    public = _split(settings.public_url.lower()) if settings.public_url else None
    if public is not None:
        allowed.add(f"{public[0]}://{public[1]}")
    return frozenset(allowed)


def _split(url: str) -> tuple[str, str] | None:
    try:
        parts = urlsplit(url)
    except ValueError:
        return None
    return (parts.scheme, parts.netloc) if parts.scheme and parts.netloc else None


def origin_secret_matches(given: str | None) -> bool:
    """True when NOVA_ORIGIN_SECRET is not set, or `given` (the X-Origin-Secret header) equals it."""
    expected = web_settings().origin_secret
    if expected is None:
        return True
    return hmac.compare_digest((given or "").encode("utf-8", "surrogatepass"), expected.encode())


def client_address(forwarded_for: Sequence[str], peer: str) -> str:
    """The client's IP address: the entry that our outermost trusted hop wrote, counted from the right.

    `forwarded_for` are the X-Forwarded-For headers in order. With no trusted hop, fewer entries than hops, or
    no address in that place, the peer itself counts: what a client wrote is never believed.
    """
    hops = web_settings().trusted_hops
    entries = [entry.strip() for line in forwarded_for for entry in line.split(",")]
    if hops == 0 or len(entries) < hops:
        return peer
    try:
        return str(ipaddress.ip_address(entries[-hops]))
    except ValueError:
        return peer
