"""`s3pipelines buckets …`."""

import json
import time
import uuid

import pytest

from s3pipelines.cli.buckets import buckets
from s3pipelines.core.detection.notifications import read_message
from s3pipelines.core.storage.access import Access
from s3pipelines.core.storage.event_queues import DEFAULT_QUEUE
from s3pipelines.core.storage.queues import open_queue
from tests.cli.conftest import Run


@pytest.fixture
def queue() -> str:
    """A name that no queue has."""
    return f"q-{uuid.uuid4().hex[:12]}"


def test_what_is_printed_is_what_has_to_be_set(run: Run, bucket: str, queue: str):
    done = run("buckets", "configure", bucket, "--notify", "--queue", queue)

    assert (done.status, done.err) == (0, "")
    url = done.out.splitlines()[-1].removeprefix("S3PIPELINES_UPLOAD_QUEUE_URL=")
    assert open_queue(Access(), url).depth().in_flight == 0
    assert f"s3://{bucket}/" in done.out
    again = run("buckets", "configure", bucket, "--notify", "--queue", url)
    assert "none, all was set already" in again.out
    assert again.out.splitlines()[-1] == done.out.splitlines()[-1]


def test_an_upload_to_the_folder_of_a_source_arrives(
    run: Run, bucket: str, put_objects, queue: str
):
    run("sources", "create", "--id", "maps", "--s3-path", f"s3://{bucket}/my maps")

    done = run("buckets", "configure", "--notify", "--source", "maps", "--queue", queue, "--json")

    assert done.status == 0
    shown = json.loads(done.out)
    assert shown["prefixes"] == ["my maps/"]
    assert shown["setting"] == f"S3PIPELINES_UPLOAD_QUEUE_URL={shown['queue_url']}"
    put_objects("my maps/a b+ü😀.tif", "other.tif")
    messages = open_queue(Access(), shown["queue_url"]).receive(10, time.monotonic() + 30)
    readings = [read_message(message.body) for message in messages]
    assert [n.key for reading in readings for n in reading.notices] == ["my maps/a b+ü😀.tif"]


def test_a_prefix_is_a_folder(run: Run, bucket: str, queue: str):
    options = ("--prefix", "a", "--prefix", "b/c/", "--queue", queue, "--json")

    done = run("buckets", "configure", bucket, "--notify", *options)

    assert sorted(json.loads(done.out)["prefixes"]) == ["a/", "b/c/"]


def test_the_default_queue_is_that_of_the_core():
    option = next(o for o in buckets.commands["configure"].params if o.name == "queue")

    assert option.default == DEFAULT_QUEUE


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["BUCKET"], "--notify has the bucket notify an SQS queue"),
        (["--notify"], "Name either a BUCKET or a --source."),
        (["BUCKET", "--source", "a", "--notify"], "Name either a BUCKET or a --source."),
        (["--source", "a", "--prefix", "p", "--notify"], "--prefix goes with a BUCKET"),
    ],
)
def test_bad_usage_says_what_is_right(run: Run, arguments: list[str], says: str):
    refused = run("buckets", "configure", *arguments)

    assert (refused.status, refused.out) == (2, "")
    assert says in refused.err


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["no-such-bucket"], "There is no bucket 'no-such-bucket'"),
        (["a b"], "is not an S3 path"),
        (["ab/c"], "is not the name of a bucket"),
        (["s3://abc/d"], "Write BUCKET --prefix P."),
        (["BUCKET", "--queue", "a b"], "cannot be the name of a queue"),
        (["BUCKET", "--queue", "a.fifo"], "FIFO"),
        (["BUCKET", "--queue", "http://"], "is not the URL of an SQS queue"),
        (["--source", "nobody"], "There is no source 'nobody'"),
    ],
)
def test_bad_names_exit_2_with_one_line(run: Run, bucket: str, arguments: list[str], says: str):
    named = [bucket if argument == "BUCKET" else argument for argument in arguments]

    refused = run("buckets", "configure", "--notify", *named)

    assert (refused.status, refused.out) == (2, "")
    assert refused.err.startswith("Error: ")
    assert refused.err.count("\n") == 1
    assert says in refused.err
