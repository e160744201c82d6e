"""The knobs of what is kept and of what it may cost: database, retention, budgets, prices."""

from pydantic import Field
from pydantic_settings import BaseSettings


class RecordsEnvironment(BaseSettings):
    """A part of `nova_site.env.Environment`."""

    nova_database_pool: int = Field(
        default=8, ge=2, le=200, description="connections to PostgreSQL that one process may hold at once"
    )
    nova_records_kept_days: int = Field(
        default=30, ge=0, description="ended sessions are removed with all that was said after this many days; 0: never"
    )
    nova_budget_session_usd: float = Field(
        default=0, ge=0, description="what one session may cost; it is told and saves from 80 % on; 0: no limit"
    )
    nova_budget_key_day_usd: float = Field(
        default=0, ge=0, description="what all sessions of one API key or user may cost in a day (UTC); 0: no limit"
    )
    nova_budget_day_usd: float = Field(
        default=0, ge=0, description="what the whole site may cost in a day (UTC); 0: no limit"
    )
    nova_prices: str | None = Field(
        default=None, description="a JSON file of prices of your own, as `manage.py cost_report --prices` prints them"
    )
