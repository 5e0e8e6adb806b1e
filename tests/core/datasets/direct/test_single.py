"""Uploading by tickets for single requests: PUTs and forms."""

import base64
import hashlib

import pytest

from s3pipelines.core.datasets.direct.uploading import upload_direct
from s3pipelines.core.errors import InvalidInput
from tests.core.datasets.conftest import MIB, bytes_of
from tests.core.datasets.proxy import Answer, CountingProxy, Passed


def _body(s3, bucket: str, key: str) -> bytes:
    return s3.get_object(Bucket=bucket, Key=key)["Body"].read()


def test_files_go_to_the_keys_that_end_with_their_names(put_ticket, write, s3, bucket):
    keys = ("in/a b.tif", "in/ü+&.tif", "other/unused.tif")
    files = [write("x/a b.tif", b"one"), write("y/ü+&.tif", b"")]

    done = upload_direct(put_ticket(*keys), files)

    assert {(one.uri, one.outcome) for one in done} == {
        (f"s3://{bucket}/in/a b.tif", "uploaded"),
        (f"s3://{bucket}/in/ü+&.tif", "uploaded"),
    }
    assert [_body(s3, bucket, key) for key in keys[:2]] == [b"one", b""]


def test_a_large_file_is_streamed_with_all_that_was_signed_and_repeated_it_is_not_sent(
    put_ticket, write, s3, bucket, proxy: CountingProxy
):
    body = bytes_of(9 * MIB + 1)
    sha256 = base64.b64encode(hashlib.sha256(body).digest()).decode()
    how = {"content_type": "image/tiff", "sha256": sha256, "exact_bytes": len(body)}
    path, file = put_ticket("k", through=proxy.endpoint, **how), write("a.tif", body)

    [one] = upload_direct(path, [file])
    [again] = upload_direct(path, [file])

    assert (one.outcome, again.outcome, proxy.count("PUT")) == ("uploaded", "unchanged", 1)
    found = s3.get_object(Bucket=bucket, Key="k")
    assert (found["ContentType"], found["Body"].read()) == ("image/tiff", body)
    assert proxy.passed[0].headers["content-md5"]
    assert "aws" not in path.with_name("put.json.done").read_text().lower()


def test_a_form_takes_the_file_as_its_last_field(put_ticket, write, s3, bucket):
    path = put_ticket("k", content_type="image/tiff", least_bytes=2, most_bytes=10)

    [one] = upload_direct(path, [write("a.tif", b"12345")])

    assert one.outcome == "uploaded"
    found = s3.get_object(Bucket=bucket, Key="k")
    assert (found["ContentType"], found["Body"].read()) == ("image/tiff", b"12345")


@pytest.mark.parametrize(
    ("how", "says"),
    [
        ({"exact_bytes": 4}, "has 5 bytes, and the ticket .* is for 4"),
        ({"most_bytes": 4}, "is for 0 to 4"),
        ({"sha256": base64.b64encode(bytes(32)).decode()}, "its SHA-256 is another one"),
    ],
)
def test_a_file_that_a_ticket_is_not_for_is_not_sent(
    put_ticket, write, proxy: CountingProxy, how: dict, says: str
):
    path, file = put_ticket("k", through=proxy.endpoint, **how), write("a.tif", b"12345")
    if "sha256" in how:
        [one] = upload_direct(path, [file])
        assert (one.outcome, says in (one.detail or "")) == ("failed", True)
    else:
        with pytest.raises(InvalidInput, match=says):
            upload_direct(path, [file])
    assert proxy.passed == []


def test_what_fails_is_a_row_and_the_others_go_on(put_ticket, write, proxy: CountingProxy):
    def refuse(passed: Passed, answer: Answer) -> Answer:
        if passed.key == "a.tif":
            return Answer(403, {}, b"<Error><Code>AccessDenied</Code></Error>")
        return answer

    proxy.change = refuse
    path = put_ticket("a.tif", "b.tif", through=proxy.endpoint)

    done = upload_direct(path, [write("a.tif", b"1"), write("b.tif", b"2")])

    assert {(one.path[-5:], one.outcome) for one in done} == {
        ("a.tif", "failed"),
        ("b.tif", "uploaded"),
    }


def test_lost_answers_are_asked_for_again_with_the_same_bytes(
    put_ticket, write, s3, bucket, proxy: CountingProxy
):
    losses = iter([None, None])
    proxy.change = lambda _, answer: next(losses, answer)
    body = bytes_of(3 * MIB)

    [one] = upload_direct(put_ticket("k", through=proxy.endpoint), [write("a.tif", body)])

    assert (one.outcome, proxy.count("PUT")) == ("uploaded", 3)
    assert _body(s3, bucket, "k") == body
