"""A bucket of which some may not be read, or that a server knows less of: what moto does not do."""

import pytest

from s3pipelines.core.buckets.bucket_file import Wanted
from s3pipelines.core.buckets.configuring import apply_differences, compare
from s3pipelines.core.buckets.state import file_text, read_states
from s3pipelines.core.errors import NoSuchBucket
from s3pipelines.core.storage.bucket_settings import BucketSettings
from tests.core.storage.fake_s3 import Answer, Asked, error_answer, fake_s3

TAGGED = b"<Tagging><TagSet><Tag><Key>a</Key><Value>b</Value></Tag></TagSet></Tagging>"


def _server(asked: Asked) -> Answer:
    answers = {
        "tagging": Answer(body=TAGGED),
        "policy": error_answer(403, "AccessDenied"),
        "cors": error_answer(501, "NotImplemented"),
        "lifecycle": error_answer(404, "NoSuchLifecycleConfiguration"),
        "publicAccessBlock": error_answer(404, "NoSuchPublicAccessBlockConfiguration"),
        "encryption": error_answer(400, "Odd", "What is that?"),
        "versioning": Answer(body=b"<VersioningConfiguration/>"),
        "notification": Answer(body=b"<NotificationConfiguration/>"),
        "object-lock": error_answer(404, "ObjectLockConfigurationNotFoundError"),
        "ownershipControls": error_answer(404, "OwnershipControlsNotFoundError"),
    }
    return next(answer for name, answer in answers.items() if name in asked.query)


def test_a_setting_that_is_denied_hides_no_other_and_is_named():
    with fake_s3(_server) as fake:
        states = read_states(BucketSettings(fake.access(), "bucket"))

    assert states["tags"].value == {"a": "b"}
    assert states["policy"].kind == "denied"
    assert "s3:GetBucketPolicy" in states["policy"].problem
    assert states["cors"].kind == "absent"
    assert (states["encryption"].kind, "Odd" in states["encryption"].problem) == ("failed", True)
    assert states["lifecycle"].value is None
    assert not states["lifecycle"].is_in_doubt
    text = file_text("bucket", states)
    assert text.startswith("bucket: bucket\nversioning: unversioned\ntags:\n  a: b\n# ")
    assert "# policy: Access is denied" in text


def test_what_cannot_be_compared_is_not_written():
    with fake_s3(_server) as fake:
        settings = BucketSettings(fake.access(), "bucket")
        wanted = Wanted("bucket", {"tags": {"a": "b"}, "policy": None, "cors": None})
        comparison = compare(settings, wanted)
        assert list(apply_differences(settings, comparison)) == []

    assert [state.name for state in comparison.in_doubt] == ["policy"]
    assert comparison.same == ("tags", "cors")
    assert {asked.method for asked in fake.asked} == {"GET"}


def test_one_setting_that_is_refused_stops_no_other():
    refused = error_answer(403, "AccessDenied")

    def server(asked: Asked) -> Answer:
        if asked.method == "GET":
            return _server(asked)
        return refused if "tagging" in asked.query else Answer()

    with fake_s3(server) as fake:
        settings = BucketSettings(fake.access(), "bucket")
        wanted = Wanted("bucket", {"tags": None, "versioning": "enabled"})
        applied = list(apply_differences(settings, compare(settings, wanted)))

    by_name = {one.name: one for one in applied}
    assert "DeleteBucketTagging" in by_name["tags"].error
    # The fake server forgets it.
    assert "shows something else" in by_name["versioning"].error


def test_what_somebody_else_changed_since_it_was_shown_is_left_alone():
    tags = [TAGGED, TAGGED.replace(b"<Key>a", b"<Key>c")]

    def server(asked: Asked) -> Answer:
        return Answer(body=tags.pop(0))

    with fake_s3(server) as fake:
        settings = BucketSettings(fake.access(), "bucket")
        comparison = compare(settings, Wanted("bucket", {"tags": {"x": "y"}}))
        [applied] = apply_differences(settings, comparison)

    assert "was changed by somebody else meanwhile" in applied.error
    assert {asked.method for asked in fake.asked} == {"GET"}


def test_what_s3_does_not_take_yet_is_tried_again():
    answers = [error_answer(400, "InvalidArgument", "Unable to validate the destination"), Answer()]
    pauses: list[float] = []
    with fake_s3(lambda asked: answers.pop(0)) as fake:
        BucketSettings(fake.access(), "bucket", pauses.append).write("notifications", {})

    assert (pauses, answers) == ([1], [])


def test_a_bucket_that_is_not_there_is_no_bucket_without_settings():
    with (
        fake_s3(lambda asked: error_answer(404, "NoSuchBucket")) as fake,
        pytest.raises(NoSuchBucket),
    ):
        read_states(BucketSettings(fake.access(), "bucket"))
