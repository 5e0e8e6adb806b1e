"""How the `data` commands tell what they found, and what several of them do at their end."""

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import click

from s3pipelines.cli.context import CliContext
from s3pipelines.cli.output import print_fields, print_json, print_table
from s3pipelines.core.preview.wording import human_bytes

if TYPE_CHECKING:
    from s3pipelines.core.datasets.describing import Description
    from s3pipelines.core.datasets.downloading import Download
    from s3pipelines.core.datasets.registered import Registered, Registration

_MOST_SHOWN = 20
DESCRIBED = ("key", "size", "tags", "checksum", "image", "state")


def take_in_pending(context: CliContext, source_id: str) -> None:
    """Bring the index up to date with what the ledger hints at."""
    from s3pipelines.cli.reporting import report_index
    from s3pipelines.core.detection.pending import read_pending
    from s3pipelines.core.index.apply import apply_changes
    from s3pipelines.core.sources.registry import get_source

    pending = read_pending(context.catalog, get_source(context.catalog, source_id))
    if pending is not None and pending.hints:
        report_index(context, apply_changes(context.catalog, source_id))


@dataclass
class Tally:
    """Counts the descriptions that pass through, and those that fail."""

    objects: int = 0
    failed: int = 0

    def of(self, rows: "Iterable[Description]") -> "Iterator[Description]":
        """The same rows, counted."""
        for row in rows:
            self.objects += 1
            self.failed += row["state"] in ("changed", "gone", "failed")
            yield row


def description_row(row: "Description") -> tuple[str, ...]:
    """A description in the columns `DESCRIBED`."""
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


def print_download(done: "Download", as_json: bool) -> None:
    """Print what became of a download."""
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
    print_failed([(one.key, one.error, one.detail) for one in done.failed])


def print_failed(rows: list[tuple[str | None, ...]]) -> None:
    """Print what failed, of much only the first."""
    if rows:
        print_table(("failed", "reason", "detail"), rows[:_MOST_SHOWN])
    if len(rows) > _MOST_SHOWN:
        click.echo(f"{_MOST_SHOWN} of {len(rows):,} are shown; --json shows all.")


def print_registration(done: "Registration", as_json: bool) -> None:
    """Print what became of the files of a registration."""
    if as_json:
        files = [asdict(one) for one in done.files]
        print_json({"source": done.source_id, "counts": done.counts, "files": files})
        return
    print_files(done.counts, done.files)


def print_files(counts: dict[str, int], files: "list[Registered]") -> None:
    """Print how many files ended how, what a dry run would do, and what failed."""
    print_fields({name.replace("_", " "): f"{count:,}" for name, count in counts.items()})
    would = [one for one in files if one.outcome.startswith("would")]
    if would:
        shown = [(one.outcome, one.key, human_bytes(one.size_bytes), one.path) for one in would]
        print_table(("outcome", "key", "size", "file"), shown[:_MOST_SHOWN])
    if len(would) > _MOST_SHOWN:
        click.echo(f"{_MOST_SHOWN} of {len(would):,} are shown; --json shows all.")
    failed = [one for one in files if one.outcome == "failed"]
    print_failed([(one.path or one.key, one.error, one.detail) for one in failed])
