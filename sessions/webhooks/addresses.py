"""Where webhooks may go: never to this house's own network, whatever a name resolves to; pure but for the resolver."""

import ipaddress
import socket
from urllib.parse import urlsplit

from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import ThreadedResolver

from workers.errors import BadInputError

NAT64 = ipaddress.ip_network("64:ff9b::/96")
URL_CHARACTERS = 500
Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class AddressForbiddenError(OSError):
    """An OSError, because a resolver's failures are."""


def check_url(url: str, *, allows_private: bool) -> None:
    """Raises BadInputError with the reason. Names are looked up only when something is sent: they may change."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise BadInputError("is no URL", field="url") from error
    if parts.scheme not in (("http", "https") if allows_private else ("https",)):
        raise BadInputError("must begin with https://", field="url")
    if not parts.hostname or len(url) > URL_CHARACTERS:
        raise BadInputError("must name a host", field="url")
    if parts.username is not None or parts.password is not None:
        raise BadInputError("must hold no name or password: they would stand in logs", field="url")
    if port == 0:
        raise BadInputError("port 0 is none", field="url")
    if not allows_private and not _may_be_public(parts.hostname):
        raise BadInputError("is an address of a private network (NOVA_WEBHOOK_ALLOW_PRIVATE)", field="url")


def _may_be_public(host: str) -> bool:
    """False for a private address written as one; of a name nothing is known yet."""
    try:
        # inet_aton reads what browsers and C libraries read: 127.1, 0x7f000001, 2130706433.
        return is_public(ipaddress.ip_address(socket.inet_aton(host)))
    except OSError:
        pass
    try:
        return is_public(ipaddress.ip_address(host))
    except ValueError:
        return host.lower().rstrip(".") != "localhost" and not host.lower().rstrip(".").endswith(".localhost")


def is_public(address: Address) -> bool:
    """True for an address of the open internet, also when it is wrapped into one of IPv6."""
    if isinstance(address, ipaddress.IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour
        if inner is None and address in NAT64:
            inner = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        if inner is not None:
            return is_public(inner)
        if address.teredo is not None:
            return False
    return address.is_global and not address.is_multicast and not address.is_reserved


class GuardedResolver(AbstractResolver):
    """Looks a name up and gives out its public addresses alone; the connection is made to one of these very addresses."""

    def __init__(self, *, allows_private: bool) -> None:
        self._allows_private = allows_private
        self._resolver = ThreadedResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        found = await self._resolver.resolve(host, port, family)
        if self._allows_private:
            return found
        if not all(is_public(ipaddress.ip_address(result["host"].partition("%")[0])) for result in found):
            raise AddressForbiddenError(f"{host} leads to a private network")
        return found

    async def close(self) -> None:
        await self._resolver.close()
