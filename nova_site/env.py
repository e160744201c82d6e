"""Every knob of the system, read from the environment once, typed, and refused loudly when it is wrong."""

import functools
import ipaddress
import os
import re
import secrets
import sys
from pathlib import Path
from typing import Annotated, Any, Literal, get_args
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import NoDecode, SettingsConfigDict

from nova_site.env_admin import AdminEnvironment
from nova_site.env_operations import OperationsEnvironment
from nova_site.env_records import RecordsEnvironment
from nova_site.env_rollout import RolloutEnvironment
from nova_site.env_vision import VisionEnvironment
from sessions.management.running import settings_of_run
from workers.errors import ConfigurationError
from workers.settings import POLLY_LIMITS, AwsSettings, CallLimit

Kind = Literal["speech_to_text", "language_model", "text_to_speech"]
KINDS: tuple[Kind, ...] = get_args(Kind)
Words = Annotated[tuple[str, ...], NoDecode]

PROVIDERS: dict[Kind, dict[str, str]] = {
    "speech_to_text": {
        "aws": "sessions.speech_to_text.aws_transcribe.AwsTranscribe",
        "local": "sessions.speech_to_text.local.LocalRecogniser",
    },
    "language_model": {
        "aws": "workers.language_model.aws_nova.AwsNova",
        "local": "workers.language_model.local.LocalResponder",
    },
    "text_to_speech": {
        "aws": "workers.text_to_speech.aws_polly.AwsPolly",
        "local": "workers.text_to_speech.local.LocalSynthesiser",
    },
}


POLLY_LIMIT = re.compile(r"([a-z-]+)=([1-9]\d{0,4})/([1-9]\d{0,4})")
DATABASES = ("sqlite", "postgres", "postgresql", "pgsql")
AWS_SECRETS = ("AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
SIGNING_COMMANDS = ("serve", "runserver", "testserver", "shell")
COMMAND_LINES = ("manage.py", "django-admin")
# They choose for themselves; every other command works on what they have begun.
BEGINNING_COMMANDS = ("run_local", "serve", "runserver", "testserver")
RUN_FOLDER = Path(__file__).resolve().parent.parent / ".run"


class Environment(VisionEnvironment, OperationsEnvironment, AdminEnvironment, RecordsEnvironment, RolloutEnvironment):
    """One field per variable; the variable's name is the field's name in capitals."""

    model_config = SettingsConfigDict(env_ignore_empty=True, extra="ignore", frozen=True)

    nova_providers: Literal["aws", "local"] = Field(
        default="aws",
        description="who hears, thinks and speaks: AWS, or stand-ins on this machine (`make run` sets `local`)",
    )
    nova_speech_to_text: str | None = Field(
        default=None, description="speech to text alone: `aws`, `local` or the dotted path of a class"
    )
    nova_language_model: str | None = Field(default=None, description="the language model alone, likewise")
    nova_text_to_speech: str | None = Field(default=None, description="text to speech alone, likewise")

    redis_url: str = Field(
        default="redis://127.0.0.1:6379/0",
        description="Redis 6.2 or newer; `make run` starts one of its own when this is not set",
    )
    celery_broker_url: str | None = Field(
        default=None, description="where tasks are queued; the same Redis when not set"
    )
    database_url: str = Field(
        default="sqlite:///.run/nova.sqlite3", description="SQLite for one machine, `postgres://...` for more"
    )

    aws_region: str = Field(default="us-east-1", description="of Bedrock, Polly and Transcribe")
    aws_endpoint_url_bedrock_runtime: str | None = Field(default=None, description="another address for Bedrock")
    aws_endpoint_url_polly: str | None = Field(default=None, description="another address for Polly")
    aws_endpoint_url_transcribe_streaming: str | None = Field(
        default=None, description="another address for Transcribe"
    )
    aws_ca_bundle: str | None = Field(default=None, description="file of certificates that all three trust")

    nova_model_id: str = Field(default="us.amazon.nova-pro-v1:0", description="Bedrock's model or inference profile")
    nova_fallback_model_id: str | None = Field(
        default=None,
        description="another model, which answers when the first is throttled or unavailable before its first word",
    )
    nova_voice: str = Field(default="Ruth", description="Polly's voice")
    nova_engine: Literal["standard", "neural", "generative", "long-form"] = Field(
        default="generative", description="Polly's engine"
    )
    nova_polly_limits: str = Field(
        default="generative=8/26,neural=8/18,long-form=8/26,standard=80/80",
        description="Polly calls a second / at once that all workers share, by engine: the account's quotas",
    )
    nova_word_marks: bool = Field(
        default=True,
        description="ask Polly for the times of words too (a second call a sentence): history is cut word by word",
    )
    nova_language: str = Field(
        default="en-US", pattern=r"^[a-z]{2,3}-[A-Z]{2}$", description="what is spoken, as `en-US` or `zh-CN`"
    )
    nova_transcribe_transport: Literal["websocket", "http2"] = Field(
        default="websocket", description="how Transcribe is reached"
    )
    nova_transcribe_streams_quota: int = Field(
        default=25,
        ge=2,
        description="Transcribe streams the account may have open at once; all web processes together keep one free",
    )
    nova_transcribe_starts_per_second: float = Field(
        default=24,
        gt=0,
        le=1_000,
        description="Transcribe streams that are started in a second, below the account's 25",
    )
    nova_transcribe_rotate_seconds: float = Field(
        default=13_500,
        ge=60,
        le=14_000,
        description="a Transcribe stream is replaced at the first pause after this long; the service ends it after 14400",
    )
    nova_voice_activity: Literal["energy", "silero"] = Field(
        default="silero",
        description="what tells voice from noise: the Silero model, or the level alone, which noise can deceive",
    )
    nova_speculation: bool = Field(
        default=True, description="begin a reply before the turn has ended; thrown away when the words change"
    )
    nova_filler_ms: int = Field(
        default=2_250, ge=0, le=10_000, description="silence after which a late answer is bridged by a phrase; 0: never"
    )

    agora_app_id: str | None = Field(
        default=None, description="for tokens of the Agora RTC network; none are made when not set"
    )
    agora_app_certificate: SecretStr | None = Field(default=None, description="signs those tokens")
    nova_agora_token_version: Literal["007", "006"] = Field(
        default="007", description="AccessToken2 (`007`) or the older form"
    )
    nova_agora_allow_no_certificate: bool = Field(
        default=False, description="development only: tokens without a certificate"
    )

    nova_auth: Literal["required", "open"] = Field(
        default="required",
        description="`open` lets anyone of this machine in and binds to loopback only (`make run` sets it)",
    )
    nova_api_keys: Words = Field(
        default=(), repr=False, description="accepted keys, separated by commas, 16 characters or more each"
    )
    nova_public_url: str | None = Field(
        default=None, description="the address that `generate` gives out behind a load balancer"
    )
    nova_allowed_origins: Words = Field(default=(), description="other sites whose pages may call, separated by commas")
    nova_trusted_hops: int = Field(
        default=0,
        ge=0,
        le=5,
        description="how many proxies in front may be believed about the client's address, 0 to 5",
    )
    nova_origin_secret: SecretStr | None = Field(
        default=None, description="a header value that the front door (CloudFront) adds; others are refused"
    )
    django_secret_key: SecretStr | None = Field(
        default=None,
        description="signs tickets and logins; needed when `NOVA_AUTH=required`, the same in every web process",
    )
    django_allowed_hosts: Words = Field(
        default=(), description="host names of this site beside loopback, separated by commas"
    )
    host: str = Field(default="127.0.0.1", description="address to listen on")
    port: int = Field(default=8000, ge=1, le=65_535, description="port to listen on")
    web_processes: int = Field(
        default=1, ge=1, le=64, description="web processes that share the port, one core each (needs an IPv4 `HOST`)"
    )
    sessions_max: int = Field(default=100, ge=1, description="running sessions of the whole site")
    nova_calls_per_minute: int = Field(
        default=30, ge=1, description="how often a caller may call generate, start and client_secrets in a minute"
    )
    session_idle_seconds: int = Field(default=60, ge=5, description="a session without a client ends after this long")
    nova_worker_beat_file: str | None = Field(
        default=None,
        description="file in which a worker says once a second that it takes tasks, for probes; none is written when not set",
    )
    nova_log_format: Literal["json", "console"] = Field(
        default="json", description="`console` is for people (`make run` sets it)"
    )
    nova_log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        default="INFO", description="how much is logged"
    )

    @field_validator("nova_api_keys", "nova_allowed_origins", "django_allowed_hosts", mode="before")
    @classmethod
    def _split_commas(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(word for word in (part.strip() for part in value.split(",")) if word)
        return value

    @field_validator("redis_url", "celery_broker_url")
    @classmethod
    def _is_redis(cls, value: str | None) -> str | None:
        if value is not None and not value.startswith(("redis://", "rediss://", "unix://")):
            raise ValueError("must start with redis://, rediss:// or unix://")
        return value

    @field_validator("database_url")
    @classmethod
    def _is_database(cls, value: str) -> str:
        scheme, separator, _ = value.partition("://")
        if not separator or scheme not in DATABASES:
            raise ValueError(f"must start with one of {', '.join(f'{name}://' for name in DATABASES)}")
        return value

    @field_validator("nova_polly_limits")
    @classmethod
    def _names_engines(cls, value: str) -> str:
        for part in value.split(","):
            match = POLLY_LIMIT.fullmatch(part.strip())
            if match is None or match[1] not in POLLY_LIMITS:
                raise ValueError(f"{part.strip()!r} is no ENGINE=A_SECOND/AT_ONCE of {', '.join(POLLY_LIMITS)}")
        return value

    @field_validator("nova_api_keys")
    @classmethod
    def _keys_are_long(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if any(len(key) < 16 for key in value):
            raise ValueError("each key needs at least 16 characters")
        return value

    @field_validator("agora_app_id")
    @classmethod
    def _is_hex_id(cls, value: str | None) -> str | None:
        if value is not None and (len(value) != 32 or not value.isalnum()):
            raise ValueError("must be 32 letters and digits")
        return value

    @model_validator(mode="after")
    def _open_only_on_loopback(self) -> "Environment":
        if self.nova_auth == "open" and not _is_loopback(self.host):
            raise ValueError(f"NOVA_AUTH=open binds to 127.0.0.1 only, but HOST is {self.host}")
        return self

    @model_validator(mode="after")
    def _certificate_goes_with_app(self) -> "Environment":
        has_certificate = self.agora_app_certificate is not None
        if self.agora_app_id and not has_certificate and not self.nova_agora_allow_no_certificate:
            raise ValueError(
                "AGORA_APP_ID is set but AGORA_APP_CERTIFICATE is not; set it, or for development only "
                "NOVA_AGORA_ALLOW_NO_CERTIFICATE=true"
            )
        return self

    def provider(self, kind: Kind) -> str:
        """The dotted path of a provider: `aws` and `local` are names, anything with a dot is a path."""
        wanted = {
            "speech_to_text": self.nova_speech_to_text,
            "language_model": self.nova_language_model,
            "text_to_speech": self.nova_text_to_speech,
        }[kind] or self.nova_providers
        if "." in wanted:
            return wanted
        if wanted not in PROVIDERS[kind]:
            raise ConfigurationError(f"NOVA_{kind.upper()}={wanted!r}: must be aws, local or a dotted path")
        return PROVIDERS[kind][wanted]

    def provider_name(self, kind: Kind) -> str:
        """`aws` or `local` for ours, however they were named; of another its dotted path."""
        path = self.provider(kind)
        return next((name for name, known in PROVIDERS[kind].items() if known == path), path)

    @property
    def broker_url(self) -> str:
        return self.celery_broker_url or self.redis_url

    @property
    def polly_limits(self) -> dict[str, CallLimit]:
        """Engines that are not named keep their default."""
        named = {
            match[1]: CallLimit(int(match[2]), int(match[3])) for match in POLLY_LIMIT.finditer(self.nova_polly_limits)
        }
        return {**POLLY_LIMITS, **named}

    @property
    def aws(self) -> AwsSettings:
        return AwsSettings(
            region=self.aws_region,
            bedrock_endpoint_url=self.aws_endpoint_url_bedrock_runtime,
            polly_endpoint_url=self.aws_endpoint_url_polly,
            transcribe_endpoint_url=self.aws_endpoint_url_transcribe_streaming,
            ca_bundle_path=self.aws_ca_bundle,
        )

    def secrets(self) -> tuple[str, ...]:
        """What must never be read in a log: the settings' own, and the AWS keys that may stand beside them."""
        held = (self.django_secret_key, self.agora_app_certificate, self.nova_origin_secret)
        urls = (self.redis_url, self.broker_url, self.database_url)
        found = [
            *(secret.get_secret_value() for secret in held if secret is not None),
            *self.nova_api_keys,
            *(urlsplit(url).password or "" for url in urls),
            *(os.environ.get(name, "") for name in AWS_SECRETS),
        ]
        return tuple(secret for secret in found if secret)

    def secret_key(self) -> str:
        """Required outside open mode: signed tickets must outlive a restart and hold on every web process."""
        if self.django_secret_key is not None:
            return self.django_secret_key.get_secret_value()
        if self.nova_auth == "open" or not _signs():
            return secrets.token_urlsafe(50)
        raise ConfigurationError("DJANGO_SECRET_KEY is not set; it is needed when NOVA_AUTH=required")


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def asks_for_help() -> bool:
    return not {"-h", "--help"}.isdisjoint(sys.argv[2:])


def _chosen_by_run() -> dict[str, Any]:
    """A command beside a `make run` of this folder finds what that has started, unless it is told otherwise."""
    is_command = Path(sys.argv[0]).name in COMMAND_LINES and len(sys.argv) > 1
    if not is_command or sys.argv[1] in BEGINNING_COMMANDS:
        return {}
    return {name.lower(): value for name, value in settings_of_run(RUN_FOLDER, os.environ).items()}


def _signs() -> bool:
    """Servers that load the site do, and few commands. `run_local` gives its web process a key of its own making."""
    if Path(sys.argv[0]).name not in COMMAND_LINES:
        return True
    return sys.argv[1:2] != [] and sys.argv[1] in SIGNING_COMMANDS and not asks_for_help()


def _variable_name(location: tuple[int | str, ...]) -> str:
    return str(location[0]).upper() if location else "the settings together"


@functools.cache
def environment() -> Environment:
    """Raises ConfigurationError with one line per wrong variable, never with a value that may be secret."""
    try:
        return Environment(**_chosen_by_run())
    except ValidationError as error:
        lines = [
            f"{_variable_name(item['loc'])}: {item['msg'].removeprefix('Value error, ')}"
            for item in error.errors(include_input=False)
        ]
        raise ConfigurationError("; ".join(lines)) from None
