"""The demo with the Dagster UI: it goes on uploading for a while, and runs until Ctrl-C."""

import threading
from pathlib import Path

import click

from s3pipelines.demo.collection import first_uploads, later_uploads
from s3pipelines.demo.stage import Stage, register_sources, set_up
from s3pipelines.services.dagster_session import dagster_session
from s3pipelines.services.ports import require_free

FOLDER = Path(".s3pipelines/demo")
_BEFORE_LATER_UPLOADS_S = 45
_BETWEEN_UPLOADS_S = 10


def run_live(port: int) -> None:
    """Run the demo on `port` until Ctrl-C; leaves no process behind."""
    require_free(port)
    with set_up(FOLDER.absolute()) as stage:
        click.echo("Uploading photographs to an embedded S3, and registering two sources …")
        stage.upload(first_uploads())
        register_sources(stage)
        click.echo("Starting Dagster …")
        with dagster_session(stage.context.catalog, port) as services:
            _say_what_to_try(stage, port)
            ended = threading.Event()
            uploading = threading.Thread(target=_upload_more, args=(stage, ended), daemon=True)
            uploading.start()
            try:
                services.wait()
            finally:
                ended.set()
                uploading.join()


def _upload_more(stage: Stage, ended: threading.Event) -> None:
    """What a person would do meanwhile, one thing after the other."""
    pause = _BEFORE_LATER_UPLOADS_S
    for upload in later_uploads():
        if ended.wait(pause):
            return
        pause = _BETWEEN_UPLOADS_S
        stage.upload([upload])
        did = "Deleted " if upload.body is None else "Uploaded"
        click.echo(f"{did} s3://{upload.bucket}/{upload.key}")


def _say_what_to_try(stage: Stage, port: int) -> None:
    environment = stage.write_environment_file()
    click.echo(
        f"""
Dagster UI:  http://127.0.0.1:{port}
S3 server:   {stage.environment["AWS_ENDPOINT_URL"]}

Three things to try:
 1. Open http://127.0.0.1:{port}/assets/object_index: the partitions fill by themselves; after
    {_BEFORE_LATER_UPLOADS_S} s the demo uploads, overwrites and deletes a few objects.
 2. In another terminal:   . {environment}
    s3pipelines sql "SELECT source, count(*), sum(size_bytes) FROM objects GROUP BY ALL"
 3. Upload something of your own there, and see it appear in the index:
    aws s3 cp PICTURE s3://demo-photographs/museum/

Stop it with Ctrl-C.
"""
    )
