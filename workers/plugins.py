"""Turns a dotted path from the settings into an object that has been checked against its contract."""

import importlib
from collections.abc import Callable
from typing import Any, TypeVar, cast

from workers.errors import ConfigurationError

Contract = TypeVar("Contract")


def load_object(dotted_path: str) -> Any:
    """Import `package.module.Name`; raises ConfigurationError that names the path."""
    module_path, _, name = dotted_path.rpartition(".")
    try:
        return getattr(importlib.import_module(module_path), name)
    except (ImportError, AttributeError, ValueError) as error:
        raise ConfigurationError(f"cannot load {dotted_path!r}: {error}") from error


def load_provider(dotted_path: str, contract: Callable[..., Contract], settings: object) -> Contract:
    """Build the provider class at `dotted_path` with `settings` and check it against a runtime-checkable protocol."""
    try:
        provider = load_object(dotted_path)(settings)
    except (TypeError, ValueError, AttributeError) as error:
        raise ConfigurationError(f"{dotted_path!r} cannot be made with the settings: {error}") from error
    if not isinstance(provider, cast(type, contract)):
        raise ConfigurationError(f"{dotted_path!r} does not fulfil the contract {contract.__name__}")
    return cast(Contract, provider)
