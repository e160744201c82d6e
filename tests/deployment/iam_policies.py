"""Decides IAM requests by policy documents, as far as ours go: Allow and Deny, wildcards, and the operators named here."""

import fnmatch
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).resolve().parents[2] / "helm" / "eks" / "iam"
ACCOUNT = "111122223333"
REGION = "us-east-1"
Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class IamRequest:
    action: str
    resource: str
    context: Mapping[str, str] = field(default_factory=dict)


def read_policy(name: str) -> Json:
    document: Json = json.loads((FOLDER / f"{name}.json").read_text())
    return document


def is_allowed(policy: Json, request: IamRequest) -> bool:
    """An explicit Deny wins; without an Allow nothing is allowed."""
    effects = {statement["Effect"] for statement in policy["Statement"] if _fits(statement, request)}
    return effects == {"Allow"}


def may_assume(trust: Json, principal: tuple[str, str], request: IamRequest) -> bool:
    """`principal` is its kind and name: ("Service", "pods.eks.amazonaws.com")."""
    kind, name = principal
    statements = [item for item in trust["Statement"] if name in listed(item["Principal"].get(kind, []))]
    return any(
        statement["Effect"] == "Allow"
        and _any_fits(statement["Action"], request.action, ignore_case=True)
        and _conditions_hold(statement.get("Condition", {}), request.context)
        for statement in statements
    )


def listed(value: Any) -> list[str]:
    return value if isinstance(value, list) else [value]


def _fits(statement: Json, request: IamRequest) -> bool:
    return (
        _any_fits(statement["Action"], request.action, ignore_case=True)
        and _any_fits(statement["Resource"], request.resource)
        and _conditions_hold(statement.get("Condition", {}), request.context)
    )


def _any_fits(patterns: Any, value: str, *, ignore_case: bool = False) -> bool:
    """`*` and `?`; square brackets mean themselves, in IAM as here."""
    lower = str.lower if ignore_case else str
    return any(fnmatch.fnmatchcase(lower(value), lower(pattern).replace("[", "[[]")) for pattern in listed(patterns))


def _conditions_hold(conditions: Json, context: Mapping[str, str]) -> bool:
    """All keys of all operators; a key that the request does not have fails."""
    known = {name.lower(): value for name, value in context.items()}
    for operator, keys in conditions.items():
        if operator not in ("StringEquals", "StringLike", "ArnLike", "ArnEquals"):
            raise NotImplementedError(f"the condition operator {operator} is not known here")
        for key, wanted in keys.items():
            value = known.get(key.lower())
            if value is None or not _value_fits(operator, wanted, value):
                return False
    return True


def _value_fits(operator: str, wanted: Any, value: str) -> bool:
    return value in listed(wanted) if operator == "StringEquals" else _any_fits(wanted, value)
