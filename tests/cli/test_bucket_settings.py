"""`buckets show` and `buckets configure --file`."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.conftest import Run

EVERYTHING = (Path(__file__).parents[1] / "core" / "buckets" / "bucket.yaml").read_text()


@pytest.fixture
def file_of(tmp_path: Path, bucket: str) -> Callable[[str], str]:
    """Write a bucket file, in which BUCKET is the bucket of the test."""

    def write(text: str) -> str:
        path = tmp_path / "bucket.yaml"
        path.write_text(text.replace("BUCKET", bucket))
        return str(path)

    return write


def test_a_file_is_applied_once_and_then_nothing_differs(run: Run, bucket: str, s3, file_of):
    path = file_of(EVERYTHING)

    done = run("buckets", "configure", "--file", path, "--yes")

    assert (done.status, done.err) == (0, "")
    assert "+ abort_incomplete_uploads_days: 7" in " ".join(done.out.split())
    assert s3.get_bucket_versioning(Bucket=bucket)["Status"] == "Enabled"
    assert len(s3.get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"]) == 3
    again = run("buckets", "configure", "--file", path, "--yes")
    assert again.status == 0
    assert "as the file wants it" in again.out
    assert run("buckets", "configure", "--file", path, "--check").status == 0


def test_show_gives_a_file_that_configure_takes_for_what_is_there(
    run: Run, bucket: str, file_of, tmp_path
):
    run("buckets", "configure", "--file", file_of(EVERYTHING), "--yes")

    shown = run("buckets", "show", bucket, "--yaml")

    assert shown.status == 0
    path = tmp_path / "shown.yaml"
    path.write_text(shown.out)
    checked = run("buckets", "configure", "--file", str(path), "--check", "--json")
    assert checked.status == 0
    assert json.loads(checked.out)["differences"] == []
    assert len(json.loads(checked.out)["same"]) == 7


def test_a_check_tells_what_drifted_and_changes_nothing(run: Run, bucket: str, s3, file_of):
    path = file_of("bucket: BUCKET\ntags: {a: b}\nversioning: enabled\n")
    run("buckets", "configure", "--file", path, "--yes")
    s3.put_bucket_tagging(Bucket=bucket, Tagging={"TagSet": [{"Key": "a", "Value": "c"}]})

    checked = run("buckets", "configure", "--file", path, "--check")

    assert checked.status == 1
    assert "- a: c" in checked.out
    assert "+ a: b" in checked.out
    assert "versioning" not in checked.out
    assert s3.get_bucket_tagging(Bucket=bucket)["TagSet"] == [{"Key": "a", "Value": "c"}]


def test_what_the_file_does_not_name_stays_and_null_takes_away(run: Run, bucket: str, s3, file_of):
    run("buckets", "configure", "--file", file_of(EVERYTHING), "--yes")

    path = file_of("bucket: BUCKET\ncors: null\nlifecycle: []\ntags: {}\n")
    done = run("buckets", "configure", "--file", path, "--yes")

    assert done.status == 0
    settings = json.loads(run("buckets", "show", bucket, "--json").out)["settings"]
    assert (settings["cors"], settings["lifecycle"], settings["tags"]) == (None, None, None)
    assert settings["versioning"] == "enabled"
    assert settings["policy"]["Statement"][0]["Sid"] == "TlsOnly"


def test_a_question_that_is_answered_with_no_changes_nothing(
    run: Run, bucket: str, s3, file_of, monkeypatch
):
    monkeypatch.setattr("builtins.input", lambda *_: "n")
    monkeypatch.setattr("click.termui.visible_prompt_func", lambda *_: "n")

    done = run("buckets", "configure", "--file", file_of("bucket: BUCKET\ntags: {a: b}\n"))

    assert done.status == 130
    assert "+ a: b" in done.out
    assert json.loads(run("buckets", "show", bucket, "--json").out)["settings"]["tags"] is None


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("lifecycel: []", "Did you mean 'lifecycle'?"),
        ("lifecycle: [{id: a, expires_after_days: 3}]", "Did you mean 'expire_after_days'?"),
        ("lifecycle: [{id: a}]", "lifecycle[1]: the rule does nothing"),
        ("tags: {a: 1}", "put it in quotes"),
        ("versioning: on", "'enabled', 'suspended' or 'unversioned'"),
        ("encryption: null", "never nothing"),
        ("tags: {a: b, a: c}", "'a' stands twice"),
        ("cors: [}", "at line 1, column"),
        ("- a", "does not hold names and values"),
        ("tags: {aws:x: y}", "AWS keeps tags such as 'aws:x' for itself"),
        ("cors: [{origins: [a], methods: [FETCH]}]", "cors[1].methods[1]"),
    ],
)
def test_what_a_file_cannot_have_is_refused_with_one_line(
    run: Run, bucket: str, file_of, text: str, says: str
):
    refused = run("buckets", "configure", bucket, "--file", file_of(text), "--yes")

    assert (refused.status, refused.out) == (2, "")
    assert refused.err.count("\n") == 1
    assert says in refused.err


def test_versions_cannot_be_unkept(run: Run, bucket: str, file_of):
    run("buckets", "configure", "--file", file_of("bucket: BUCKET\nversioning: enabled"), "--yes")

    path = file_of("bucket: BUCKET\nversioning: unversioned")
    refused = run("buckets", "configure", "--file", path, "--yes")

    assert refused.status == 2
    assert "Write 'versioning: suspended'." in refused.err


def test_a_file_for_another_bucket_is_refused(run: Run, bucket: str, file_of):
    path = file_of("bucket: other\n")

    assert run("buckets", "configure", bucket, "--file", path, "--yes").status == 2
    assert run("buckets", "configure", "--file", file_of("tags: {}"), "--yes").status == 2


def test_the_rules_of_notify_are_no_business_of_a_file(run: Run, bucket: str, s3, file_of):
    run("buckets", "configure", bucket, "--notify", "--queue", f"q-{bucket}")

    shown = run("buckets", "show", bucket, "--yaml")
    assert "notifications" not in shown.out
    queue = f"arn:aws:sqs:us-east-1:123456789012:q-{bucket}"
    rule = f"{{id: tiffs, arn: {queue}, events: ['s3:ObjectRestore:*'], suffix: .tif}}"
    path = file_of(f"bucket: BUCKET\nnotifications: {{queues: [{rule}]}}\n")
    assert run("buckets", "configure", "--file", path, "--yes").status == 0
    assert run("buckets", "configure", "--file", path, "--check").status == 0
    ids = _queue_rules(s3, bucket)
    assert run("buckets", "configure", "--file", file_of("notifications: null"), bucket, "--yes")

    assert ids == ["s3pipelines-uploads", "tiffs"]
    assert _queue_rules(s3, bucket) == ["s3pipelines-uploads"]


def test_show_tells_every_setting(run: Run, bucket: str):
    shown = run("buckets", "show", bucket)

    assert shown.status == 0
    for name in ("versioning: unversioned", "policy: not set", "object_lock", "ownership"):
        assert name in shown.out


def test_a_server_that_forgets_what_it_took_is_a_failure(run: Run, bucket: str, file_of):
    # moto keeps no sizes.
    rule = "{id: a, larger_than_bytes: 5, expire_after_days: 3}"
    done = run("buckets", "configure", bucket, "--file", file_of(f"lifecycle: [{rule}]"), "--yes")

    assert done.status == 1
    assert "lifecycle: failed. The server took" in done.out


def test_a_rule_that_would_delete_what_the_project_needs_is_told_before_it_is_set(
    run: Run, bucket: str, file_of, monkeypatch
):
    run("sources", "create", "--id", "maps", "--s3-path", f"s3://{bucket}/maps")
    monkeypatch.setenv("S3PIPELINES_DERIVATIVES", f"s3://{bucket}/made")
    monkeypatch.setenv("S3PIPELINES_TRASH", f"s3://{bucket}/trash")
    rules = """lifecycle:
      - {id: ends, prefix: map, expire_after_days: 3}
      - {id: ice, transitions: [{days: 1, storage_class: GLACIER}]}
      - {id: trash, prefix: trash/, expire_after_days: 30}
      - {id: off, enabled: false, expire_after_days: 3}
    """

    done = run("buckets", "configure", bucket, "--file", file_of(rules), "--yes")

    assert done.status == 0
    assert done.err.splitlines() == [
        f"Warning: The lifecycle rule 'ice' archives files of derivatives (s3://{bucket}/made/).",
        f"Warning: The lifecycle rule 'ends' deletes objects of source:maps (s3://{bucket}/maps/).",
    ]


def test_a_bucket_that_is_not_there(run: Run):
    missing = run("buckets", "show", "no-such-bucket-here")

    assert missing.status == 2
    assert "There is no bucket 'no-such-bucket-here'" in missing.err


def _queue_rules(s3, bucket: str) -> list[str]:
    rules = s3.get_bucket_notification_configuration(Bucket=bucket)["QueueConfigurations"]
    return sorted(rule["Id"] for rule in rules)
