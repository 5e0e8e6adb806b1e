"""The options of `sources create` and `sources update`, written once."""

from collections.abc import Callable
from typing import Any, get_args

import click

from s3pipelines.cli.pyramid_options import PYRAMID_OPTIONS, chosen_pyramid
from s3pipelines.core.errors import InvalidInput
from s3pipelines.core.sources.source import Derivative

_OPTIONS = (
    click.option("--description", metavar="TEXT", help="What the source holds."),
    click.option("--tag", "tags", multiple=True, metavar="K=V", help="A tag; may be repeated."),
    click.option(
        "--include", multiple=True, metavar="GLOB", help="Only keys like this; may be repeated."
    ),
    click.option(
        "--exclude", multiple=True, metavar="GLOB", help="No keys like this; may be repeated."
    ),
    click.option(
        "--settle",
        "settle_s",
        type=int,
        metavar="SECONDS",
        help="Take an object in only after it has rested so long.",
    ),
    click.option(
        "--derive",
        metavar="LIST",
        help=f"Derivatives to make, of {','.join(get_args(Derivative))}; none by default.",
    ),
    *PYRAMID_OPTIONS,
    click.option(
        "--fresh-within",
        "fresh_within_hours",
        type=float,
        metavar="HOURS",
        help="Older than this, the index counts as stale (default 36).",
    ),
    click.option(
        "--versions/--no-versions",
        default=None,
        help="List by versions, and keep the version id of each object in the index.",
    ),
    click.option(
        "--tags/--no-tags",
        "object_tags",
        default=None,
        help="Read the tags of all objects after each full listing: a request for each object.",
    ),
    click.option(
        "--read-only/--writable", "read_only", default=None, help="Never write to this source."
    ),
    click.option("--profile", metavar="NAME", help="AWS profile of this source."),
    click.option("--role-arn", metavar="ARN", help="Role to assume for this source."),
    click.option("--anonymous", is_flag=True, default=None, help="Ask without credentials."),
    click.option(
        "--endpoint", "endpoint_url", metavar="URL", help="Another S3 server; 'aws' for AWS."
    ),
    click.option(
        "--inbox",
        metavar="s3://B/P",
        help="Also read uploads noted as JSON files {key, path} there; they are removed.",
    ),
    click.option(
        "--requester-pays", is_flag=True, default=None, help="Pay for the requests yourself."
    ),
)


def source_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options of a source to a command, which gets them as keyword arguments."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def chosen(options: dict[str, Any]) -> dict[str, Any]:
    """The options that were given, as the fields of a source."""
    given = {name: value for name, value in options.items() if value not in (None, ())}
    given = chosen_pyramid(given)
    if "tags" in given:
        given["tags"] = parse_tags(given["tags"])
    if "derive" in given:
        given["derive"] = tuple(name for name in given["derive"].split(",") if name)
    if given.get("anonymous") and (given.get("profile") or given.get("role_arn")):
        raise InvalidInput(
            "--anonymous goes with neither --profile nor --role-arn.", hint="Choose one of them."
        )
    return given


def parse_tags(tags: tuple[str, ...]) -> dict[str, str]:
    """Tags that were given as `NAME=VALUE`, by name.

    Raises:
        InvalidInput: One has no name or no value.
    """
    pairs = [tag.partition("=") for tag in tags]
    for name, separator, _ in pairs:
        if not name or not separator:
            raise InvalidInput(f"The tag {name!r} has no value.", hint="Write --tag NAME=VALUE.")
    return {name: value for name, _, value in pairs}
