"""A real nginx on loopback as the load balancer: plain HTTP and websockets to the web pods that it was last told of."""

import grp
import os
import pwd
import signal
import time
import urllib.request
from pathlib import Path

import pytest

from sessions.management.redis_server import free_port
from tests.house import Process
from tests.system_tools import program

SWITCH_SECONDS = 10.0
GENERATION = "/nginx-generation"
TEMPORARY = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
CONFIGURATION = """
daemon off;
user {user};
pid {folder}/nginx.pid;
worker_processes 1;
events {{ worker_connections 512; }}
http {{
  access_log off;
  {temporary}
  map $http_upgrade $connection_wish {{ default upgrade; '' close; }}
  upstream web {{ {servers} }}
  server {{
    listen 127.0.0.1:{port};
    location = {path} {{ return 200 "{generation}"; }}
    location / {{
      proxy_pass http://web;
      proxy_http_version 1.1;
      proxy_read_timeout {idle_seconds}s;
      proxy_set_header Host $http_host;
      proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
      proxy_set_header Upgrade $http_upgrade;
      proxy_set_header Connection $connection_wish;
    }}
  }}
}}
"""


def need_nginx() -> str:
    found = program("nginx")
    if found is not None:
        return found
    reason = "nginx is not installed"
    if os.environ.get("CI") == "true":
        pytest.fail(f"{reason}, and under CI=true nothing may be skipped")
    print(f"NOT RUN: the rolling update, because {reason} (apt-get install nginx-light)")
    pytest.skip(reason)


class Nginx(Process):
    """Started with the first endpoints it leads to. Connections that are open stay when the endpoints change."""

    def __init__(self, folder: Path, idle_seconds: int) -> None:
        self.port = free_port()
        self._folder = folder
        self._idle_seconds = idle_seconds
        self._generation = 0
        self._file = folder / "nginx.conf"
        command = [need_nginx(), "-p", str(folder), "-e", "stderr", "-c", str(self._file)]
        super().__init__("nginx", command, dict(os.environ), folder)

    def lead_to(self, endpoints: list[str]) -> None:
        """Returns when new connections go to these alone."""
        self._generation += 1
        self._file.write_text(self._configuration(endpoints))
        if self.is_running():
            os.kill(self.pid, signal.SIGHUP)
        else:
            self.start()
        self._wait_for_generation()

    def _configuration(self, endpoints: list[str]) -> str:
        owner = pwd.getpwuid(os.getuid())
        return CONFIGURATION.format(
            user=f"{owner.pw_name} {grp.getgrgid(owner.pw_gid).gr_name}",
            folder=self._folder,
            temporary="\n  ".join(f"{name}_temp_path {self._folder}/{name};" for name in TEMPORARY),
            servers=" ".join(f"server {endpoint} max_fails=0;" for endpoint in endpoints),
            port=self.port,
            path=GENERATION,
            generation=self._generation,
            idle_seconds=self._idle_seconds,
        )

    def _wait_for_generation(self) -> None:
        deadline = time.monotonic() + SWITCH_SECONDS
        while self._answered() != str(self._generation):
            assert self.is_running(), self.log()
            assert time.monotonic() < deadline, f"nginx did not take its configuration: {self.log()}"
            time.sleep(0.02)

    def _answered(self) -> str:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{GENERATION}", timeout=1) as answer:
                return str(answer.read().decode())
        except OSError:
            return ""
