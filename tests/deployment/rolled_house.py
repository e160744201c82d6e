"""A house whose processes are the chart's pods, behind nginx, with the one act that Deployments are made for: an update."""

import random
import tempfile
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from tests.aws_emulator.process import EmulatorProcess
from tests.deployment.chart import Chart, Json, Step, changed
from tests.deployment.chart_values import MINIMAL
from tests.deployment.nginx import Nginx
from tests.deployment.pod_process import Ending, Kept, PodProcess
from tests.house import AGORA_APP_ID, API_KEY, SECRETS, House

REPLICAS: Final = {"web": 2, "talking": 1, "seeing": 1}
SECRET_NAME = "nova-secrets"
SECRET = {
    "DJANGO_SECRET_KEY": SECRETS["DJANGO_SECRET_KEY"],
    "NOVA_API_KEYS": API_KEY,
    "AGORA_APP_CERTIFICATE": SECRETS["AGORA_APP_CERTIFICATE"],
    "DATABASE_PASSWORD": "rolled-database-password",
}
# Words of the chart and of the application's settings: the emulator's tones are no voice, and it sets no quotas here.
SETTINGS: Json = {
    "NOVA_VOICE_ACTIVITY": "energy",
    "NOVA_FILLER_MS": 0,
    "NOVA_SPECULATION": False,
    "NOVA_POLLY_LIMITS": "generative=10000/10000,neural=10000/10000",
}
BY_CHART = ("AWS_REGION", "AWS_EC2_METADATA_DISABLED")


class RolledHouse(House):
    """Redis, PostgreSQL and the emulator stay outside, as in production. `urls` all lead to nginx."""

    def __init__(self, chart: Chart, database_url: str) -> None:
        super().__init__("aws", database_url=database_url)
        self._chart = chart
        self._pod_count = 0
        # Of 127.0.0.0/8, where the ports that the chart names are free.
        self._network = f"127.{random.randint(16, 250)}.{random.randint(0, 255)}"
        self.pods: dict[str, list[PodProcess]] = {}

    def _start(self) -> None:
        self.folder = Path(self._stack.enter_context(tempfile.TemporaryDirectory(prefix="nova-rolled-")))
        self.aws = self._stack.enter_context(EmulatorProcess())
        self._start_redis()
        values = self._values()
        self.step: Step = self._chart.render(values)
        settings = {item["metadata"]["name"]: item["data"] for item in self.step.of("ConfigMap")}
        self._kept = Kept(settings, {SECRET_NAME: SECRET})
        self._pod("migrate").run_to_its_end()
        idle_seconds = int(self._chart.yaml("values.yaml")["ingress"]["idleTimeoutSeconds"])
        self._proxy = Nginx(self.folder, idle_seconds)
        self._stack.callback(self._proxy.stop)
        self.ports = [self._proxy.port] * REPLICAS["web"]
        self._start_pods()

    def _start_pods(self) -> None:
        self.pods = {component: [self._begin(component) for _ in range(count)] for component, count in REPLICAS.items()}
        for pods in self.pods.values():
            for pod in pods:
                pod.wait_until_ready()
        self.environment = self.pods["web"][0].variables
        self._lead_to_webs()

    def roll(self, component: str) -> list[Ending]:
        """Every pod by a new one, as `maxUnavailable: 0` has it: the new one is ready before the old one goes."""
        deployment = self.step.one("Deployment", component)
        assert deployment["spec"]["strategy"]["rollingUpdate"]["maxUnavailable"] == 0
        return [self._replace(old) for old in list(self.pods[component])]

    def _replace(self, old: PodProcess) -> Ending:
        new = self._begin(old.component)
        new.wait_until_ready()
        pods = self.pods[old.component]
        pods[pods.index(old)] = new
        self._lead_to_webs()
        return old.end()

    def _lead_to_webs(self) -> None:
        self._proxy.lead_to([pod.endpoint for pod in self.pods["web"]])

    def _begin(self, component: str) -> PodProcess:
        pod = self._pod(component)
        pod.start()
        self._stack.callback(pod.stop)
        self.processes.append(pod)
        return pod

    def _pod(self, component: str) -> PodProcess:
        self._pod_count += 1
        address = f"{self._network}.{self._pod_count}"
        name = f"{component}-{self._pod_count}"
        return PodProcess(name, self.step.pod(component), self._kept, address, self.folder)

    def _values(self) -> Json:
        """What someone who installs it here would write; all else is the chart's default, drain and grace above all."""
        assert self._database_url is not None
        redis, database = urlsplit(self.redis_url), urlsplit(self._database_url)
        aws = {name: value for name, value in self.aws.env().items() if name not in BY_CHART}
        endpoints = {name: value for name, value in aws.items() if name.startswith(("AWS_ENDPOINT_URL", "AWS_CA"))}
        login = [{"name": name, "value": value} for name, value in aws.items() if name not in endpoints]
        return changed(
            MINIMAL,
            development=True,
            allowedHosts=["127.0.0.1"],
            secrets__existingSecret=SECRET_NAME,
            aws={"identity": "none", "region": self.aws.env()["AWS_REGION"]},
            agora__appId=AGORA_APP_ID,
            redis={"host": redis.hostname, "port": redis.port, "tls": False, "auth": False},
            database={
                "host": database.hostname,
                "port": database.port,
                "name": database.path[1:],
                "username": database.username,
                "sslmode": "disable",
            },
            settings={**SETTINGS, **endpoints},
            pods__extraEnv=login,
            web={"replicas": REPLICAS["web"], "autoscaling": {"enabled": False}},
            talking={"replicas": REPLICAS["talking"], "autoscaling": {"kind": "none"}},
            seeing={"replicas": REPLICAS["seeing"], "autoscaling": {"enabled": False}},
        )
