"""The bucket's policy: JSON in the language of IAM, in one spelling of the several that it has."""

import re
from typing import Any

from s3pipelines.core.buckets.settings.form import Raw, Setting

Policy = dict[str, Any]
_LISTS = ("Action", "NotAction", "Resource", "NotResource")
# AWS writes an account's number as this when it is read back.
_ROOT = re.compile(r"arn:aws[a-z-]*:iam::(\d{12}):root")


def canonical(policy: Policy | None) -> Policy | None:
    """The policy with lists where one or several may stand, each sorted.

    S3 returns some of a policy in another spelling than it was given; two that mean the same are
    equal after this.
    """
    if not policy:
        return None
    statements = policy.get("Statement", [])
    if isinstance(statements, dict):
        statements = [statements]
    return {**_texts(policy), "Statement": [_statement(one) for one in statements]}


def _texts(policy: Policy) -> Policy:
    return {name: value for name, value in policy.items() if name != "Statement"}


def _statement(statement: Any) -> Any:
    if not isinstance(statement, dict):
        return statement
    said = dict(statement)
    for name in _LISTS:
        if name in said:
            said[name] = _listed(said[name])
    for name in ("Principal", "NotPrincipal"):
        if isinstance(said.get(name), dict):
            said[name] = {kind: _accounts(who) for kind, who in sorted(said[name].items())}
    if isinstance(said.get("Condition"), dict):
        said["Condition"] = {
            operator: {key: _listed(value) for key, value in sorted(keys.items())}
            for operator, keys in sorted(said["Condition"].items())
        }
    return said


def _accounts(who: Any) -> Any:
    names = _listed(who)
    if isinstance(names, str):
        return _ROOT.sub(r"\1", names)
    return sorted(_ROOT.sub(r"\1", name) for name in names)


def _listed(value: Any) -> Any:
    """A sorted list of texts; of a single one, the text."""
    values = sorted({_text(one) for one in (value if isinstance(value, list) else [value])})
    return values[0] if len(values) == 1 else values


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _to_s3(value: Policy, _before: Raw | None) -> Raw:
    return value


POLICY = Setting("policy", canonical, canonical, _to_s3)
