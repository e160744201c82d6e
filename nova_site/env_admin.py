"""The knobs of the operators' door and of webhooks."""

from typing import Annotated

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings, NoDecode


class AdminEnvironment(BaseSettings):
    """A part of `nova_site.env.Environment`."""

    nova_admin_hosts: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(),
        description="host names at which /admin/ answers from elsewhere, separated by commas, `*` for all; "
        "from the machine itself it always does",
    )
    nova_webhook_allow_private: bool = Field(
        default=False, description="let webhooks go to private addresses and by plain HTTP; for development"
    )

    @field_validator("nova_admin_hosts", mode="before")
    @classmethod
    def _split_hosts(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(part.strip().lower() for part in value.split(",") if part.strip())
        return value
