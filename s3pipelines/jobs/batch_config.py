"""The config of the batch jobs in the Launchpad, made from what each action is told."""

from typing import Any

from dagster import Config
from pydantic import BaseModel, Field, ValidationError, create_model
from pydantic.fields import FieldInfo

from s3pipelines.core.batch.actions.action import Action
from s3pipelines.core.batch.planning import Request
from s3pipelines.core.errors import InvalidInput
from s3pipelines.core.sql.selection import Selection


class Selected(Config):
    """Which objects of a source; what is not given does not restrict."""

    source: str = Field(
        description="Id of the source, or `ID@VERSION` for the objects of a version."
    )
    where: str | None = Field(None, description="An SQL condition over the columns of `objects`.")
    regex: str | None = Field(
        None, description="Part of the key, below the prefix, matches this regular expression."
    )
    glob: str | None = Field(None, description="The key below the prefix matches; * also takes /.")
    limit: int | None = Field(None, ge=1, description="At most so many objects.")
    keys: list[str] = Field([], description="Full keys; empty: all.")
    reason: str = Field("", description="Why; it is kept with the outcomes.")


def config_of(action: type[Action], *, apply: bool) -> type[Selected]:
    """The config of the job of an action.

    Args:
        action: The action.
        apply: Whether the plan is applied unless the config says otherwise.
    """
    fields: dict[str, Any] = {
        name: _typed(field) for name, field in action.params_type.model_fields.items()
    }
    applied = "Carry the plan out at once; otherwise it is made only, and applied by `apply_plan`."
    fields["apply"] = (bool, Field(apply, description=applied))
    title = "".join(part.capitalize() for part in action.name.split("-"))
    return create_model(f"{title}Objects", __base__=Selected, __doc__=action.summary, **fields)


def _typed(field: FieldInfo) -> tuple[Any, FieldInfo]:
    """The type of a field in a config; what is made of fields itself is checked by its model."""
    kind = field.annotation
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return dict[str, Any], Field(description=field.description)
    return kind, field


def request_of(action: type[Action], config: Selected) -> Request:
    """What a config asks for.

    Raises:
        InvalidInput: One of its values is wrong.
    """
    told = config.model_dump(include=set(action.params_type.model_fields))
    try:
        params = action.params_type.model_validate(told)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise InvalidInput(
            f"The config is not valid: {where} {first['msg']}.", hint="See its descriptions."
        ) from error
    keys = frozenset(config.keys) or None
    selection = Selection(config.where, config.regex, config.glob, config.limit, keys)
    return Request(config.source, action(params), selection, config.reason)
