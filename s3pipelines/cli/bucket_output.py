"""How buckets, their settings and what differs in them are printed."""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import click

from s3pipelines.cli.output import print_fields, print_json, print_table
from s3pipelines.core.errors import printable

if TYPE_CHECKING:
    from s3pipelines.core.buckets.configuring import Applied, Comparison
    from s3pipelines.core.buckets.contents import Contents
    from s3pipelines.core.buckets.deleting import Removal
    from s3pipelines.core.buckets.overview import Overview
    from s3pipelines.core.buckets.state import SettingState
    from s3pipelines.core.buckets.uses import Use

_COLOURS = {"- ": "red", "+ ": "green"}


def print_overview(overview: "Overview", as_json: bool) -> None:
    """Print all buckets, and why some may be missing."""
    from s3pipelines.core.preview.wording import human_bytes

    if overview.problem:
        click.echo(f"Warning: the account's own buckets: {overview.problem}", err=True)
    if as_json:
        print_json([vars(bucket) for bucket in overview.buckets])
        return
    rows = [
        (
            bucket.name,
            bucket.region or "",
            f"{bucket.created_at:%Y-%m-%d}" if bucket.created_at else "",
            "" if bucket.objects is None else f"{bucket.objects:,}",
            "" if bucket.size_bytes is None else human_bytes(bucket.size_bytes),
            bucket.covers,
            ", ".join(bucket.sources),
        )
        for bucket in overview.buckets
    ]
    columns = ("bucket", "region", "created", "objects", "size", "indexed", "sources")
    print_table(columns, rows)


def print_states(bucket: str, region: str | None, states: Mapping[str, "SettingState"]) -> None:
    """Print every setting as YAML below its name."""
    click.echo(f"s3://{bucket}{f' in {region}' if region else ''}")
    for name, state in states.items():
        click.echo(f"{click.style(name, bold=True)}: {_inline(state)}")
        for line in _block(state):
            click.echo(f"  {printable(line)}")


def states_json(
    bucket: str, region: str | None, states: Mapping[str, "SettingState"]
) -> dict[str, Any]:
    """The same for machines; what could not be read is in `problems`, not in `settings`."""
    return {
        "bucket": bucket,
        "region": region,
        "settings": {
            name: state.value if state.kind == "known" else state.raw
            for name, state in states.items()
            if state.kind in ("known", "odd")
        },
        "problems": {name: state.problem for name, state in states.items() if state.problem},
    }


def print_comparison(comparison: "Comparison") -> None:
    """Print what differs, line by line; red goes, green comes."""
    for state in comparison.in_doubt:
        click.echo(f"{state.name}: cannot be compared. {state.problem}", err=True)
    for difference in comparison.differences:
        click.echo(click.style(difference.name, bold=True))
        for line in difference.lines():
            click.echo(click.style(f"  {printable(line)}", fg=_COLOURS.get(line[:2])))
    if not comparison.differences:
        click.echo(f"s3://{comparison.bucket}: {_as_wanted(comparison)}")


def comparison_json(
    comparison: "Comparison", applied: Iterable["Applied"] | None
) -> dict[str, Any]:
    """The same for machines, with what became of each difference if they were applied."""
    shown: dict[str, Any] = {
        "bucket": comparison.bucket,
        "differences": [
            {
                "setting": difference.name,
                "actual": difference.actual.value
                if difference.actual.kind == "known"
                else difference.actual.raw,
                "wanted": difference.wanted,
            }
            for difference in comparison.differences
        ],
        "not_compared": {state.name: state.problem for state in comparison.in_doubt},
        "same": comparison.same,
    }
    if applied is not None:
        shown["applied"] = [vars(one) for one in applied]
    return shown


def print_applied(applied: Iterable["Applied"]) -> None:
    """Print what became of each difference."""
    for one in applied:
        click.echo(f"{one.name}: {one.outcome}{f'. {one.error}' if one.error else ''}")


def print_contents(bucket: str, contents: "Contents", uses: list["Use"]) -> None:
    """Print what would go with a bucket."""
    from s3pipelines.core.preview.wording import human_bytes

    fields: dict[str, object] = {
        "bucket": f"s3://{bucket}/",
        "objects": f"{contents.objects:,}",
        "old versions": f"{contents.old_versions:,}",
        "delete markers": f"{contents.delete_markers:,}",
        "size": human_bytes(contents.size_bytes),
        "unfinished uploads": f"{contents.uploads:,}",
    }
    if contents.samples:
        fields["for example"] = ", ".join(contents.samples)
    if uses:
        fields["used as"] = ", ".join(use.name for use in uses)
    print_fields(fields)


def print_removal(removal: "Removal", as_json: bool) -> None:
    """Print what became of a bucket."""
    if as_json:
        print_json(vars(removal))
        return
    for failure in removal.failures:
        click.echo(printable(failure), err=True)
    gone = "is gone" if removal.removed else f"is still there: {removal.failed:,} things in it are"
    click.echo(
        f"s3://{removal.bucket} {gone}. Deleted: {removal.versions:,} versions and delete markers, "
        f"{removal.uploads:,} unfinished uploads."
    )


def _as_wanted(comparison: "Comparison") -> str:
    what = ", ".join(comparison.same)
    return f"as the file wants it ({what})." if what else "nothing could be compared."


def _inline(state: "SettingState") -> str:
    if state.problem:
        return state.problem
    if state.value is None:
        return "not set"
    return "" if isinstance(state.value, dict | list) else str(state.value)


def _block(state: "SettingState") -> list[str]:
    from s3pipelines.core.buckets.yaml_text import yaml_text

    value = state.raw if state.kind == "odd" else state.value
    return yaml_text(value).splitlines() if isinstance(value, dict | list) else []
