"""The knobs of operating the system: figures, traces and logs."""

from pydantic import Field
from pydantic_settings import BaseSettings


class OperationsEnvironment(BaseSettings):
    """A part of `nova_site.env.Environment`."""

    nova_metrics_port: int = Field(
        default=9_464,
        ge=0,
        le=65_535,
        description="where Prometheus reads a process's metrics; each process takes the first free port from here up; 0: none",
    )
    nova_metrics_host: str = Field(
        default="127.0.0.1", description="address of the metrics port; it asks for no password"
    )
    nova_tracing_endpoint: str | None = Field(
        default=None,
        pattern=r"^https?://",
        description="OTLP/HTTP address for traces, as `http://collector:4318/v1/traces`; needs the extra `tracing`",
    )
    nova_log_private: bool = Field(
        default=False, description="log what people said, where a line has it; for finding faults, not for production"
    )
