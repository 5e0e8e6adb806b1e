"""`buckets create`, `list` and `delete`."""

import json
import uuid

import pytest

from tests.cli.conftest import Run


@pytest.fixture
def name() -> str:
    """A name that no bucket has."""
    return f"new-{uuid.uuid4().hex[:12]}"


def test_a_new_bucket_is_closed_to_the_public(run: Run, s3, name: str):
    made = run("buckets", "create", name, "--json")

    assert (made.status, made.err) == (0, "")
    assert json.loads(made.out)["made"] is True
    block = s3.get_public_access_block(Bucket=name)["PublicAccessBlockConfiguration"]
    assert set(block.values()) == {True}
    [rule] = s3.get_bucket_ownership_controls(Bucket=name)["OwnershipControls"]["Rules"]
    assert rule["ObjectOwnership"] == "BucketOwnerEnforced"
    assert "Status" not in s3.get_bucket_versioning(Bucket=name)


def test_a_new_bucket_has_what_is_asked_for_and_asking_again_changes_nothing(
    run: Run, s3, name: str
):
    options = ("--region", "eu-central-1", "--versioning", "--encryption", "aws:kms")
    more = ("--kms-key", "alias/k", "--tag", "a=b", "--allow-public-access")

    made = run("buckets", "create", name, *options, *more)
    again = run("buckets", "create", name, *options, *more, "--json")

    assert made.status == 0
    shown = json.loads(run("buckets", "show", name, "--json").out)
    assert shown["region"] == "eu-central-1"
    assert shown["settings"]["versioning"] == "enabled"
    assert shown["settings"]["tags"] == {"a": "b"}
    assert shown["settings"]["encryption"]["kms_key"] == "alias/k"
    assert shown["settings"]["public_access_block"] is None
    assert again.status == 0
    assert json.loads(again.out)["applied"] == []
    assert json.loads(again.out)["made"] is False


def test_a_bucket_whose_making_was_interrupted_is_completed(run: Run, s3, name: str):
    s3.create_bucket(Bucket=name)

    made = run("buckets", "create", name, "--versioning")

    assert made.status == 0
    assert s3.get_bucket_versioning(Bucket=name)["Status"] == "Enabled"
    assert "was there already" in made.out


def test_a_bucket_in_use_keeps_its_settings(run: Run, s3, bucket: str, put_objects):
    put_objects("a")

    refused = run("buckets", "create", bucket, "--versioning")

    assert refused.status == 2
    assert "in use and with other settings (versioning, public_access_block)" in refused.err
    assert "Status" not in s3.get_bucket_versioning(Bucket=bucket)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["Capitals"], "it has capitals"),
        (["ab"], "it has 2 characters"),
        (["NEW", "--tag", "a"], "has no value"),
        (["NEW", "--encryption", "rot13"], "rot13"),
        (["OLD", "--region", "eu-west-1"], "already, in us-east-1"),
    ],
)
def test_what_cannot_be_made_is_refused(run: Run, bucket, name, arguments: list[str], says: str):
    named = [{"NEW": name, "OLD": bucket}.get(one, one) for one in arguments]

    refused = run("buckets", "create", *named)

    assert (refused.status, refused.out) == (2, "")
    assert says in refused.err


def test_buckets_are_listed_with_what_the_index_counts(run: Run, bucket: str, name, put_objects):
    put_objects("maps/a.tif", "maps/b.tif", "other/c.tif")
    run("buckets", "create", name)
    for source, prefix in (("maps", "maps"), ("more", "maps"), ("others", "other")):
        run("sources", "create", "--id", source, "--s3-path", f"s3://{bucket}/{prefix}")
        run("index", "refresh", "--source", source)

    listed = run("buckets", "list", "--json")

    assert listed.status == 0
    by_name = {row["name"]: row for row in json.loads(listed.out)}
    assert by_name[bucket]["objects"] == 3
    assert by_name[bucket]["size_bytes"] == 9
    assert by_name[bucket]["covers"] == "part"
    assert by_name[bucket]["sources"] == ["maps", "more", "others"]
    assert by_name[name]["objects"] is None
    assert bucket in run("buckets", "list").out


def _fill(s3, bucket: str) -> None:
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    for key in ("a", "a", "b/ü +%&<>😀.tif", "c\td"):
        s3.put_object(Bucket=bucket, Key=key, Body=b"123")
    s3.delete_object(Bucket=bucket, Key="a")
    s3.create_multipart_upload(Bucket=bucket, Key="never finished")


def _is_there(s3, bucket: str) -> bool:
    return bucket in [entry["Name"] for entry in s3.list_buckets()["Buckets"]]


def test_an_empty_bucket_goes_when_its_name_is_typed(run: Run, s3, bucket: str, monkeypatch):
    answers = ["another", bucket]
    monkeypatch.setattr("click.termui.visible_prompt_func", lambda *_: answers.pop(0))

    refused = run("buckets", "delete", bucket)
    assert refused.status == 2
    assert _is_there(s3, bucket)
    done = run("buckets", "delete", bucket)

    assert done.status == 0
    assert not _is_there(s3, bucket)


def test_a_bucket_with_something_in_it_is_not_deleted_by_accident(run: Run, s3, bucket: str):
    s3.create_multipart_upload(Bucket=bucket, Key="never finished")

    refused = run("buckets", "delete", bucket, "--yes")

    assert refused.status == 2
    assert "is not empty. Add --with-contents" in refused.err
    assert _is_there(s3, bucket)


def test_all_versions_markers_and_uploads_go_with_a_bucket(run: Run, s3, bucket: str, monkeypatch):
    _fill(s3, bucket)
    monkeypatch.setattr("click.termui.visible_prompt_func", lambda *_: bucket)

    done = run("buckets", "delete", bucket, "--with-contents")

    assert done.status == 0
    shown = {" ".join(line.split()) for line in done.out.splitlines()}
    assert {"objects 2", "old versions 2", "delete markers 1", "unfinished uploads 1"} <= shown
    assert "size 12 B" in shown
    assert "is gone. Deleted: 5 versions and delete markers, 1 unfinished uploads" in done.out
    assert not _is_there(s3, bucket)
    assert run("buckets", "delete", bucket, "--yes").status == 2


@pytest.mark.slow
def test_a_bucket_without_versions_of_many_objects_goes(run: Run, s3, bucket: str, put_objects):
    put_objects(*(f"{n:04d}" for n in range(1100)))

    done = run("buckets", "delete", bucket, "--with-contents", "--yes", "--json")

    assert done.status == 0
    removal = json.loads(done.out)
    assert (removal["versions"], removal["failed"], removal["removed"]) == (1100, 0, True)


def test_what_the_project_uses_is_only_deleted_when_each_use_is_named(
    run: Run, s3, bucket: str, monkeypatch, put_objects
):
    put_objects("maps/a.tif", "notes/a.json")
    inbox = ("--inbox", f"s3://{bucket}/notes")
    run("sources", "create", "--id", "maps", "--s3-path", f"s3://{bucket}/maps", *inbox)
    monkeypatch.setenv("S3PIPELINES_TRASH", f"s3://{bucket}/trash")

    refused = run("buckets", "delete", bucket, "--with-contents", "--yes")
    flags = refused.err.strip().rpartition("it may go: ")[2].rstrip(".").split()
    some = run("buckets", "delete", bucket, "--with-contents", "--yes", *flags[:2])
    wrong = run(
        "buckets",
        "delete",
        bucket,
        "--with-contents",
        "--yes",
        *flags,
        *("--even-though", "catalog"),
    )

    assert [refused.status, some.status, wrong.status] == [2, 2, 2]
    assert flags == [
        "--even-though",
        "trash",
        "--even-though",
        "source:maps",
        "--even-though",
        "inbox:maps",
    ]
    assert "does not hold 'catalog'" in wrong.err
    assert _is_there(s3, bucket)
    done = run("buckets", "delete", bucket, "--with-contents", "--yes", *flags)
    assert done.status == 0


def test_the_bucket_of_the_catalog_is_refused(run: Run, s3, bucket: str, monkeypatch):
    monkeypatch.setenv("S3PIPELINES_CATALOG", f"s3://{bucket}/state")

    refused = run("buckets", "delete", bucket, "--yes")

    assert refused.status == 2
    for use in ("catalog", "derivatives", "trash"):
        assert f"--even-though {use}" in refused.err


def test_a_version_that_is_locked_stays_and_is_named(run: Run, s3, name: str):
    s3.create_bucket(Bucket=name, ObjectLockEnabledForBucket=True)
    for key in ("free", "held"):
        s3.put_object(Bucket=name, Key=key, Body=b"1")
    s3.put_object_legal_hold(Bucket=name, Key="held", LegalHold={"Status": "ON"})

    done = run("buckets", "delete", name, "--with-contents", "--yes")

    assert done.status == 1
    assert "held" in done.err
    assert "is still there" in done.out
    left = s3.list_object_versions(Bucket=name)["Versions"]
    assert [version["Key"] for version in left] == ["held"]
