"""Owns what can be known of or done to a TCP connection beneath a service: its owner, its violent end."""

import asyncio
import socket
import struct
from asyncio import BaseTransport, Transport

import psutil

from tests.aws_emulator.journal import Call


def client_port(transport: BaseTransport | None) -> int:
    peer = transport.get_extra_info("peername") if transport else None
    return int(peer[1]) if peer else 0


def reset(transport: BaseTransport | None) -> None:
    """Ends the connection with a TCP RST: bytes already written are delivered, no FIN follows."""
    if not isinstance(transport, Transport):
        return
    raw = transport.get_extra_info("socket")
    if raw is not None and raw.fileno() >= 0:
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()


def cut(transport: BaseTransport | None) -> None:
    """Ends the connection with a FIN in mid-message."""
    if isinstance(transport, Transport):
        transport.close()


async def record_owner(call: Call) -> None:
    """Looks up which process holds the client's end; costs a scan of the machine's sockets."""
    call.client_pid = await asyncio.to_thread(_owner_of, call.client_port)


def _owner_of(port: int) -> int | None:
    for connection in psutil.net_connections(kind="tcp"):
        if connection.laddr and connection.laddr.port == port and connection.raddr:
            return int(connection.pid) if connection.pid else None
    return None
