"""Settings of a rollout: how long clients are waited for, and how long processes take to leave."""

from pydantic import Field
from pydantic_settings import BaseSettings


class RolloutEnvironment(BaseSettings):
    """A part of Environment; see there."""

    nova_resume_seconds: float = Field(
        default=60, ge=1, le=60, description="a client that lost its connection may come back to its talk for this long"
    )
    nova_drain_seconds: float = Field(
        default=25,
        ge=0,
        le=600,
        description="`manage.py drain`: a web process lets its talks come to a pause for this long, then closes them",
    )
    nova_worker_stop_seconds: float = Field(
        default=20, ge=0, le=600, description="a worker that is told to stop finishes running replies for this long"
    )
