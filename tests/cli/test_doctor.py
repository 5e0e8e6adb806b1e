"""`s3pipelines doctor`."""

import json
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest

from s3pipelines.core.catalog.appending import append_rows
from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.catalog.schemas import REJECTED
from s3pipelines.core.catalog.tables import ensure_table, open_table
from s3pipelines.core.detection.pending import note_hints
from s3pipelines.core.sources.refreshes import last_refresh, write_record
from s3pipelines.core.sources.registry import get_source
from s3pipelines.core.storage import clients
from s3pipelines.core.storage.access import Access
from s3pipelines.core.storage.queues import sqs_client
from tests.cli.conftest import Run
from tests.servers import on_every_server

STATES = {"ok", "warning", "failed", "skipped"}


@pytest.fixture
def maps(run: Run, bucket: str, put_objects) -> str:
    """A source `maps` that was just listed in full; the name of its bucket."""
    put_objects("a.tif", "b.tif")
    assert run("sources", "create", "--id", "maps", "--s3-path", f"s3://{bucket}").status == 0
    assert run("index", "refresh", "--source", "maps").status == 0
    return bucket


@pytest.fixture
def queue(run: Run, maps: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """The URL of a queue that the bucket notifies, and that the settings name."""
    name = f"q-{uuid.uuid4().hex[:12]}"
    done = run("buckets", "configure", maps, "--notify", "--queue", name, "--json")
    url = json.loads(done.out)["queue_url"]
    monkeypatch.setenv("S3PIPELINES_UPLOAD_QUEUE_URL", url)
    return url


def _examined(run: Run) -> tuple[int, dict[tuple[str, str], dict[str, Any]]]:
    done = run("doctor", "--json")
    assert done.err == ""
    findings = json.loads(done.out)
    return done.status, {(f["area"], f["name"]): f for f in findings}


def test_where_all_is_well_the_status_is_0_and_nothing_needs_mending(run: Run, queue: str):
    status, found = _examined(run)

    assert status == 0
    assert {f["state"] for f in found.values() if f["area"] != "images"} == {"ok"}
    assert found["source maps", "notifications"]["detail"].endswith("notifies the queue.")
    assert queue in found["queue", "depth"]["detail"]
    assert "jpeg" in found["images", "formats"]["detail"]
    assert "moto" not in found["credentials", "queue, maps"]["detail"]


def test_the_machine_readable_form_is_a_list_of_findings(run: Run):
    findings = json.loads(run("doctor", "--json").out)

    assert [sorted(f) for f in findings] == [["area", "detail", "hint", "name", "state"]] * len(
        findings
    )
    assert {f["state"] for f in findings} <= STATES
    assert all(f["detail"] for f in findings)


def test_a_person_sees_a_mark_per_line_and_below_it_what_to_do(run: Run, maps: str, s3):
    s3.delete_bucket_policy(Bucket=maps)
    for key in ("a.tif", "b.tif"):
        s3.delete_object(Bucket=maps, Key=key)
    s3.delete_bucket(Bucket=maps)

    done = run("doctor")

    assert done.status == 1
    lines = [line.strip() for line in done.out.splitlines()]
    at = next(i for i, line in enumerate(lines) if line.startswith("✗") and "listing" in line)
    assert f"There is no bucket '{maps}'" in lines[at]
    assert lines[at + 1].startswith("→ Check its name")
    assert "1 failed" in lines[-1]


def test_one_source_that_fails_stops_no_other(run: Run, maps: str, s3):
    gone = f"gone-{uuid.uuid4().hex[:8]}"
    s3.create_bucket(Bucket=gone)
    run("sources", "create", "--id", "gone", "--s3-path", f"s3://{gone}")
    s3.delete_bucket(Bucket=gone)

    status, found = _examined(run)

    assert status == 1
    assert found["source gone", "listing"]["state"] == "failed"
    assert found["source gone", "ledger"]["state"] == "ok"
    assert found["source maps", "listing"]["state"] == "ok"


def test_without_credentials_it_says_what_to_set(
    run: Run, maps: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")

    status, found = _examined(run)

    assert status == 1
    assert found["credentials", "maps"]["state"] == "failed"
    assert "AWS_PROFILE" in found["credentials", "maps"]["hint"]
    assert found["source maps", "listing"]["state"] == "failed"
    assert found["machine", "clock"]["state"] == "ok"


def test_credentials_that_nothing_needs_may_be_missing(run: Run, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")

    status, found = _examined(run)

    assert status == 0
    assert found["credentials", "default"]["state"] == "skipped"


def test_a_profile_that_does_not_exist_is_named(
    run: Run, maps: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    # As in a process that has made no client yet.
    clients._service_descriptions.cache_clear()

    status, found = _examined(run)

    assert status == 1
    assert "There is no AWS profile 'nobody'" in found["credentials", "maps"]["detail"]
    assert "aws configure" in found["credentials", "maps"]["hint"]


def test_a_queue_that_does_not_exist_fails(run: Run, queue: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("S3PIPELINES_UPLOAD_QUEUE_URL", f"{queue}-other")

    status, found = _examined(run)

    assert status == 1
    assert "There is no queue" in found["queue", "depth"]["detail"]
    assert found["source maps", "notifications"]["state"] == "warning"


def test_without_a_queue_the_command_that_makes_one_is_named(run: Run, maps: str):
    status, found = _examined(run)

    assert status == 0
    assert found["queue", "depth"]["state"] == "skipped"
    assert "s3pipelines buckets configure BUCKET --notify" in found["queue", "depth"]["hint"]
    assert ("source maps", "notifications") not in found


def test_a_bucket_that_does_not_notify_is_a_warning_whose_hint_mends_it(
    run: Run, maps: str, s3, queue: str
):
    s3.put_bucket_notification_configuration(Bucket=maps, NotificationConfiguration={})

    status, found = _examined(run)

    finding = found["source maps", "notifications"]
    assert (status, finding["state"]) == (0, "warning")
    assert run(*finding["hint"].split()[1:]).status == 0
    assert _examined(run)[1]["source maps", "notifications"]["state"] == "ok"


def test_a_way_through_a_topic_is_not_called_a_failure(run: Run, maps: str, s3, queue: str):
    topic = boto3.client("sns").create_topic(Name="uploads")["TopicArn"]
    events = ["s3:ObjectCreated:*", "s3:ObjectRemoved:*"]
    rules = [{"Id": "t", "TopicArn": topic, "Events": events}]
    s3.put_bucket_notification_configuration(
        Bucket=maps, NotificationConfiguration={"TopicConfigurations": rules}
    )

    finding = _examined(run)[1]["source maps", "notifications"]

    assert finding["state"] == "skipped"
    assert topic in finding["detail"]


def test_a_rule_for_a_part_of_the_source_is_not_enough(run: Run, maps: str, s3, queue: str):
    arn = f"arn:aws:sqs:us-east-1:123456789012:{queue.rpartition('/')[2]}"
    rules = [{"Id": "q", "QueueArn": arn, "Events": ["s3:ObjectCreated:*"]}]
    s3.put_bucket_notification_configuration(
        Bucket=maps, NotificationConfiguration={"QueueConfigurations": rules}
    )

    finding = _examined(run)[1]["source maps", "notifications"]

    assert finding["state"] == "warning"
    assert "of ObjectRemoved below" in finding["detail"]


def test_messages_that_were_rejected_lately_are_a_warning_with_the_newest_reason(
    run: Run, local_catalog: Catalog
):
    ensure_table(local_catalog, REJECTED)
    now = datetime.now(UTC)
    for ago_h, reason in ((1, "older"), (0.1, "It is \x1b[31mred"), (30, "of another day")):
        row = {"id": reason, "mailbox": "q", "reason": reason, "text": "x"}
        received_at = now - timedelta(hours=ago_h)
        append_rows(local_catalog, REJECTED, [{**row, "received_at": received_at}])

    status, found = _examined(run)

    finding = found["queue", "rejected messages"]
    assert (status, finding["state"]) == (0, "warning")
    assert finding["detail"].startswith("2 in the last day")
    assert finding["detail"].endswith("the newest: It is \\x1b[31mred")
    assert "\x1b" not in run("doctor").out


def test_a_source_that_was_not_listed_for_long_is_stale(
    run: Run, maps: str, local_catalog: Catalog
):
    source = get_source(local_catalog, "maps")
    record = last_refresh(local_catalog, source)
    assert record is not None
    long_ago = record.listed_at - timedelta(hours=37)
    write_record(local_catalog, "maps", record.model_copy(update={"listed_at": long_ago}))

    status, found = _examined(run)

    finding = found["source maps", "freshness"]
    assert (status, finding["state"]) == (0, "warning")
    assert "within 36 h" in finding["hint"]


@pytest.mark.parametrize(("age_min", "state"), [(1, "ok"), (16, "warning")])
def test_hints_that_nobody_answers_for_long_are_a_warning(
    run: Run, maps: str, local_catalog: Catalog, age_min: int, state: str
):
    noted = datetime.now(UTC) - timedelta(minutes=age_min)
    note_hints(local_catalog, get_source(local_catalog, "maps"), 5, 7, noted)

    finding = _examined(run)[1]["source maps", "ledger"]

    assert finding["state"] == state
    assert finding["detail"].startswith("7 hints open")
    assert ("s3pipelines up" in (finding["hint"] or "")) == (state == "warning")


def test_a_registration_that_is_damaged_fails_and_the_others_are_looked_at(
    run: Run, maps: str, local_catalog: Catalog
):
    local_catalog.documents.put("sources/broken.json", b"{")

    status, found = _examined(run)

    assert status == 1
    assert found["source broken", "registration"]["state"] == "failed"
    assert found["source maps", "listing"]["state"] == "ok"


def test_a_table_of_a_newer_release_fails(run: Run, local_catalog: Catalog):
    ensure_table(local_catalog, REJECTED)
    table = open_table(local_catalog, REJECTED)
    newer = {"s3pipelines.schemaVersion": str(REJECTED.version + 1)}
    table.alter.set_table_properties(newer, raise_if_not_exists=False)

    status, found = _examined(run)

    assert status == 1
    assert "Upgrade s3pipelines" in found["catalog", "table rejected"]["hint"]


def test_an_inbox_is_counted(run: Run, bucket: str, put_objects):
    put_objects("inbox/1.json", "inbox/2.json", "inbox/other.txt")
    path, inbox = f"s3://{bucket}/in", f"s3://{bucket}/inbox"
    run("sources", "create", "--id", "noted", "--s3-path", path, "--inbox", inbox)

    finding = _examined(run)[1]["source noted", "inbox"]

    assert finding["state"] == "ok"
    assert "2 messages wait" in finding["detail"]


def test_keys_of_strangers_are_shown_without_their_control_characters(
    run: Run, bucket: str, put_objects
):
    put_objects("\x1b[31mred.tif")
    run("sources", "create", "--id", "maps", "--s3-path", f"s3://{bucket}")

    shown, (_, found) = run("doctor").out, _examined(run)

    assert "\x1b" not in shown
    assert "\\x1b[31mred.tif" in found["source maps", "reading"]["detail"]


def test_a_queue_with_very_many_messages_is_a_warning(
    run: Run, queue: str, monkeypatch: pytest.MonkeyPatch
):
    from s3pipelines.core.doctor import queue_checks

    monkeypatch.setattr(queue_checks, "_MANY", 1)
    for _ in range(2):
        sqs_client(Access()).send_message(QueueUrl=queue, MessageBody="{}")

    assert _examined(run)[1]["queue", "depth"]["state"] == "warning"


def test_nothing_is_left_in_the_catalog(run: Run, maps: str, local_catalog: Catalog):
    run("doctor")

    assert local_catalog.documents.names("doctor/") == []


@on_every_server
def test_a_catalog_on_s3_is_looked_at(
    run: Run, s3_catalog: Catalog, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("S3PIPELINES_CATALOG", s3_catalog.location.uri)

    status, found = _examined(run)

    assert status == 0
    assert "conditional writes hold" in found["catalog", "documents"]["detail"]
    assert found["credentials", "catalog"]["state"] == "ok"
    assert s3_catalog.documents.names("doctor/") == []


def test_a_catalog_that_is_gone_fails(run: Run, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("S3PIPELINES_CATALOG", "s3://no-such-bucket-here/state")

    status, found = _examined(run)

    assert status == 1
    assert "There is no bucket" in found["sources", "registry"]["detail"]
    assert found["catalog", "documents"]["state"] == "failed"
    assert found["machine", "duckdb"]["state"] == "ok"


def test_bad_usage_and_bad_settings_exit_2(run: Run, monkeypatch: pytest.MonkeyPatch):
    assert run("doctor", "--nonsense").status == 2
    monkeypatch.setenv("S3PIPELINES_EVENTS_INTERVAL_S", "soon")
    assert run("doctor").status == 2
