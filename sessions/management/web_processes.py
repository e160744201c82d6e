"""The web processes of one machine: how each is started, and how several of them listen on one port."""

import socket
import sys
from pathlib import Path

from sessions.management.supervisor import Program
from workers.errors import ConfigurationError

READY_LINE = "web_process_started"
_WAITING_CONNECTIONS = 512


def web_programs(manage: Path, environment: dict[str, str], host: str, port: int, count: int) -> list[Program]:
    """One `serve` for each; beyond one they share the port."""
    command = [sys.executable, str(manage), "serve", "--host", host, "--port", str(port)]
    if count == 1:
        return [Program("web", command, environment, READY_LINE)]
    return [Program(f"web{number}", [*command, "--shared"], environment, READY_LINE) for number in range(1, count + 1)]


def shared_endpoint(host: str, port: int) -> str:
    """Twisted's name of a socket of our own on a port that the processes beside us listen on too.

    The kernel deals connections out evenly by their addresses (SO_REUSEPORT); of one inherited socket the busiest
    process would take most. Raises OSError, and ConfigurationError for an IPv6 address, which Twisted cannot adopt.
    """
    if ":" in host:
        raise ConfigurationError("WEB_PROCESSES above 1 needs an IPv4 address in HOST")
    listening = socket.socket(socket.AF_INET)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    listening.bind((host, port))
    listening.listen(_WAITING_CONNECTIONS)
    return f"fd:fileno={listening.detach()}"
