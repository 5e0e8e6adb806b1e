"""`s3pipelines data …`: sharing datasets: register, describe, download, freeze, compare."""

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from s3pipelines.cli.context import CliContext
from s3pipelines.cli.data_selection import chosen_members, member_options
from s3pipelines.cli.output import (
    json_option,
    print_fields,
    print_json,
    print_json_with_rows,
    print_table,
)
from s3pipelines.cli.progress import byte_bar
from s3pipelines.core.preview.wording import human_bytes

if TYPE_CHECKING:
    from s3pipelines.core.datasets.describing import Description
    from s3pipelines.core.datasets.downloading import Download
    from s3pipelines.core.datasets.registered import Registration

SOME_FAILED = 1
_MOST_SHOWN = 20


@click.group()
def data() -> None:
    """Share datasets: register files, describe and download objects, freeze numbered versions."""


@data.command()
@click.option("--source", "source_id", required=True, metavar="ID", help="The source.")
@click.option("--tags", multiple=True, metavar="k=v,k=v", help="Object tags for all of them.")
@click.option("--below", default="", metavar="FOLDER", help="Put them below this folder.")
@click.option(
    "--existing",
    multiple=True,
    metavar="s3://B/KEY",
    help="Copy nothing: take in this object, which lies in the source. May be repeated.",
)
@click.option("--overwrite", is_flag=True, help="Replace objects that hold something else.")
@click.option("--dry-run", is_flag=True, help="Only say what would be done.")
@json_option
@click.argument("files", nargs=-1, type=click.Path(), metavar="FILES…")
@click.pass_obj
def register(
    context: CliContext,
    source_id: str,
    tags: tuple[str, ...],
    files: tuple[str, ...],
    as_json: bool,
    **options: Any,
) -> int:
    """Upload files and folders into a source, and bring its index up to date.

    A folder keeps its name and structure; 'FOLDER/.' means what is in it. Every byte is proven by
    its SHA-256. If it is interrupted, repeat it: what is complete is not sent again, nor are the
    parts of what is not. Exit status 1 if some files failed; they are listed with their reasons.
    """
    from s3pipelines.core.datasets.object_tags import parse_tags
    from s3pipelines.core.datasets.registering import Progress, Wanted
    from s3pipelines.core.datasets.registering import register as register_files

    wanted = Wanted(source_id, files, tags=parse_tags(tags), **options)
    with byte_bar(f"register {source_id}") as bar:
        done = register_files(context.catalog, wanted, Progress(bar.begin, bar.advance))
    if not wanted.dry_run:
        _take_in_pending(context, source_id)
    _print_registration(done, as_json)
    return SOME_FAILED if done.failed else 0


@data.command()
@click.option(
    "--source", "name", required=True, metavar="ID[@VERSION]", help="The source, or a version."
)
@member_options
@click.option(
    "--index-only",
    is_flag=True,
    help="Do not ask S3 for tags and checksums, which is two requests for each object.",
)
@json_option
@click.pass_obj
def describe(
    context: CliContext, name: str, index_only: bool, as_json: bool, **options: Any
) -> int:
    """Describe objects: size, tags, checksums, and what they say of themselves as images.

    Exit status 1 if some of the keys are not there, or S3 has something else of them by now.
    """
    from s3pipelines.core.datasets.describing import describe as describe_objects

    selection, unknown = chosen_members(context, name, options)
    found = describe_objects(context.catalog, name, selection, ask=not index_only)
    tally = _Tally()
    if as_json:
        print_json_with_rows({"source": name}, "objects", tally.of(found))
    else:
        print_table(_DESCRIBED, map(_description, tally.of(found)))
        click.echo(f"{tally.objects:,} {'object' if tally.objects == 1 else 'objects'}.")
    return SOME_FAILED if unknown or tally.failed else 0


@dataclass
class _Tally:
    """Counts what passes through."""

    objects: int = 0
    failed: int = 0

    def of(self, rows: "Iterable[Description]") -> "Iterator[Description]":
        for row in rows:
            self.objects += 1
            self.failed += row["state"] in ("changed", "gone", "failed")
            yield row


_DESCRIBED = ("key", "size", "tags", "checksum", "image", "state")


def _description(row: "Description") -> tuple[str, ...]:
    image = row["image"] or {}
    size = f"{image['width_px']}x{image['height_px']}" if image.get("width_px") else ""
    shown = [image.get("format"), size, image.get("error")]
    checksums = [f"{name} {value}" for name, value in sorted(row["checksums"].items())]
    return (
        row["name"],
        human_bytes(row["size_bytes"]),
        ", ".join(f"{name}={value}" for name, value in row["tags"].items()),
        ", ".join(checksums) or (f"sha256 {row['sha256']}" if row["sha256"] else row["etag"]),
        " ".join(part for part in shown if part),
        row["state"].replace("_", " "),
    )


@data.command()
@click.option(
    "--source", "name", required=True, metavar="ID[@VERSION]", help="The source, or a version."
)
@click.option(
    "--dir",
    "folder",
    required=True,
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Where the files go.",
)
@member_options
@click.option("--overwrite", is_flag=True, help="Replace files that no download has left there.")
@json_option
@click.pass_obj
def download(
    context: CliContext, name: str, folder: Path, overwrite: bool, as_json: bool, **options: Any
) -> int:
    """Download objects as a tree of files, every byte of them verified.

    If it is interrupted, repeat it: files that are whole are not fetched again, and of large ones
    only what is missing. Exit status 1 if some objects failed; they are listed with their reasons.
    """
    from s3pipelines.core.datasets.downloading import Progress, Wanted
    from s3pipelines.core.datasets.downloading import download as download_objects

    selection, unknown = chosen_members(context, name, options)
    wanted = Wanted(name, folder, selection, overwrite)
    with byte_bar(f"download {name}") as bar:
        done = download_objects(context.catalog, wanted, Progress(bar.begin, bar.advance))
    _print_download(done, as_json)
    return SOME_FAILED if unknown or done.failed else 0


def _print_download(done: "Download", as_json: bool) -> None:
    if as_json:
        print_json({**asdict(done), "folder": str(done.folder), "source": done.name})
        return
    counts = {
        "downloaded": f"{done.downloaded:,} ({human_bytes(done.fetched_bytes)})",
        "unchanged": f"{done.unchanged:,}",
        "failed": f"{len(done.failed):,}",
    }
    if done.unproven:
        counts["only the size proven"] = f"{done.unproven:,}"
    print_fields(counts)
    _print_failed([(one.key, one.error, one.detail) for one in done.failed])


def _print_failed(rows: list[tuple[str | None, ...]]) -> None:
    if rows:
        print_table(("failed", "reason", "detail"), rows[:_MOST_SHOWN])
    if len(rows) > _MOST_SHOWN:
        click.echo(f"{_MOST_SHOWN} of {len(rows):,} are shown; --json shows all.")


def _take_in_pending(context: CliContext, source_id: str) -> None:
    """Bring the index up to date with what the ledger hints at."""
    from s3pipelines.cli.reporting import report_index
    from s3pipelines.core.detection.pending import read_pending
    from s3pipelines.core.index.apply import apply_changes
    from s3pipelines.core.sources.registry import get_source

    pending = read_pending(context.catalog, get_source(context.catalog, source_id))
    if pending is not None and pending.hints:
        report_index(context, apply_changes(context.catalog, source_id))


def _print_registration(done: "Registration", as_json: bool) -> None:
    if as_json:
        files = [asdict(one) for one in done.files]
        print_json({"source": done.source_id, "counts": done.counts, "files": files})
        return
    print_fields({name.replace("_", " "): f"{count:,}" for name, count in done.counts.items()})
    would = [one for one in done.files if one.outcome.startswith("would")]
    if would:
        shown = [(one.outcome, one.key, human_bytes(one.size_bytes), one.path) for one in would]
        print_table(("outcome", "key", "size", "file"), shown[:_MOST_SHOWN])
    if len(would) > _MOST_SHOWN:
        click.echo(f"{_MOST_SHOWN} of {len(would):,} are shown; --json shows all.")
    _print_failed([(one.path or one.key, one.error, one.detail) for one in done.failed])
