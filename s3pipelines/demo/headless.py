"""The demo without a screen: the whole flow once, what came out, and whether all of it is there."""

import tempfile
import time
from pathlib import Path

import click

from s3pipelines.cli.output import print_table
from s3pipelines.core.errors import printable
from s3pipelines.core.preview.wording import counted, human_bytes
from s3pipelines.core.sources.registry import sources_table
from s3pipelines.core.sql.session import open_session
from s3pipelines.demo.collection import first_uploads, later_uploads
from s3pipelines.demo.derived import wait_until_derived, what_is_shown
from s3pipelines.demo.expected import wait_until_indexed
from s3pipelines.demo.stage import Stage, register_sources, set_up
from s3pipelines.services.ports import free_port
from s3pipelines.services.session import Ports, project_session

_INDEXED_S = 120
_DERIVED_S = 180
BY_FORMAT = """
    SELECT source, extension, count(*) AS objects, sum(size_bytes)::BIGINT AS size_bytes
    FROM objects GROUP BY ALL ORDER BY source, objects DESC, extension
"""
QUESTION = (
    "SELECT key, format, width_px, height_px FROM images WHERE source = 'photographs' "
    "ORDER BY width_px * height_px DESC NULLS LAST LIMIT 3"
)


def run_once() -> None:
    """Upload, register, wait until the sensors have brought it all in, change, wait.

    Raises:
        NotAllThere: The index did not become what S3 has, or an image was left out.
    """
    started = time.monotonic()
    with (
        tempfile.TemporaryDirectory(prefix="s3pipelines-demo-") as folder,
        set_up(Path(folder)) as stage,
    ):
        click.echo(
            "1. Uploading photographs to an embedded S3, one of them of 114 MB, and registering "
            "two sources"
        )
        stage.upload(first_uploads())
        register_sources(stage)
        click.echo("2. Starting Dagster; its sensors find the uploads and request what is missing")
        ports = Ports(free_port(), free_port())
        with project_session(stage.context.catalog, ports) as services:
            wait_until_indexed(stage, _INDEXED_S, services.check)
            click.echo("3. Uploading three more, overwriting one, deleting one")
            stage.upload(later_uploads())
            wait_until_indexed(stage, _INDEXED_S, services.check)
            wait_until_derived(stage, _DERIVED_S, services.check)
        click.echo("4. The index holds exactly what S3 has:")
        _print_results(stage)
    click.echo(f"All there, in {time.monotonic() - started:.0f} s.")


def _print_results(stage: Stage) -> None:
    catalog = stage.context.catalog
    with open_session(catalog, sources_table(catalog)) as session:
        groups = session.run(BY_FORMAT).read_all().to_pylist()
        rows = [
            (g["source"], g["extension"] or "(none)", g["objects"], human_bytes(g["size_bytes"]))
            for g in groups
        ]
        print_table(["source", "extension", "objects", "size"], rows)
        click.echo(f's3pipelines sql "{QUESTION}"')
        answer = session.run(QUESTION).read_all().to_pylist()
        print_table(list(answer[0]), [tuple(row.values()) for row in answer])
    click.echo("5. Every image has its thumbnail, or a reason why it has none:")
    for shown in what_is_shown(stage):
        click.echo(
            f"   {shown.source_id}: {shown.thumbnails} of {counted(shown.objects, 'object')}"
        )
        for reason, keys in sorted(shown.without.items()):
            click.echo(f"     {reason}: {', '.join(map(printable, keys))}")
