"""Uploading by a ticket for an upload in parts, without any credentials."""

import json
import os
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from s3pipelines.core.datasets.direct.uploading import upload_direct
from s3pipelines.core.errors import InvalidInput
from tests.core.datasets.conftest import MIB, bytes_of
from tests.core.datasets.proxy import Answer, CountingProxy, Passed

PART = 5 * MIB
SIZE = 3 * PART + 1
HOW = {"size_bytes": SIZE, "part_bytes": PART}


def _body(s3, bucket: str, key: str = "k") -> bytes:
    return s3.get_object(Bucket=bucket, Key=key)["Body"].read()


def _changed(path: Path, **values) -> Path:
    path.write_text(json.dumps(json.loads(path.read_text()) | values))
    return path


def test_a_file_is_sent_part_by_part_and_completed_without_credentials(
    ticket, write, s3, bucket, no_credentials
):
    body, path = bytes_of(SIZE), ticket(**HOW)
    file = write("big.bin", body)
    no_credentials()

    [one] = upload_direct(path, [file])

    assert (one.outcome, one.sent_bytes, one.uri) == ("uploaded", SIZE, f"s3://{bucket}/k")
    assert _body(s3, bucket) == body
    assert s3.head_object(Bucket=bucket, Key="k")["ETag"].strip('"') == one.etag
    [again] = upload_direct(path, [file])
    assert (again.outcome, again.sent_bytes, again.etag) == ("unchanged", 0, one.etag)


@pytest.mark.parametrize("size_bytes", [0, 1, PART, 2 * PART + 3])
def test_a_ticket_of_so_many_parts_takes_a_file_of_any_size(
    ticket, write, s3, bucket, size_bytes: int
):
    body = bytes_of(size_bytes)

    [one] = upload_direct(ticket(parts=3), [write("a.bin", body)])

    assert one.outcome == "uploaded"
    assert _body(s3, bucket) == body


_CHILD = """
import sys
from pathlib import Path
from s3pipelines.core.datasets.direct.uploading import upload_direct
upload_direct(Path(sys.argv[1]), [sys.argv[2]])
"""


@pytest.mark.parametrize("without", [(), ("list",), ("list", "look")])
def test_after_a_kill_no_part_that_arrived_is_sent_again(
    ticket, write, s3, bucket, proxy: CountingProxy, without: tuple[str, ...]
):
    body, path = bytes_of(SIZE), ticket(through=proxy.endpoint, without=without, **HOW)
    file = write("big.bin", body)
    parts = 0

    def hang_after_two(passed: Passed, answer: Answer) -> Answer:
        nonlocal parts
        if passed.method == "PUT":
            parts += 1
            if parts > 2:
                time.sleep(60)
        return answer

    proxy.change = hang_after_two
    child = subprocess.Popen([sys.executable, "-c", _CHILD, str(path), str(file)])
    noted, deadline = path.with_name("k.json.done"), time.monotonic() + 60
    while (parts < 4 or noted.read_text().count("\n") < 2) and time.monotonic() < deadline:
        time.sleep(0.02)
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    proxy.change = lambda _, answer: answer
    proxy.forget()

    [one] = upload_direct(path, [file])

    assert (one.outcome, _body(s3, bucket) == body) == ("uploaded", True)
    # Where S3 can be asked, it has all four; else two are noted.
    assert proxy.count("PUT") == (0 if not without else 2)


def test_an_upload_whose_completion_nobody_heard_of_is_known_by_what_is_there(
    ticket, write, s3, bucket, proxy: CountingProxy
):
    body, path = bytes_of(SIZE), ticket(through=proxy.endpoint, **HOW)
    file = write("big.bin", body)

    lost = iter([None])

    def lose_the_first_answer(passed: Passed, answer: Answer) -> Answer | None:
        return next(lost, answer) if passed.method == "POST" else answer

    proxy.change = lose_the_first_answer
    [one] = upload_direct(path, [file])
    path.with_name("k.json.done").unlink()
    [again] = upload_direct(path, [file])

    assert (one.outcome, again.outcome, again.sent_bytes) == ("uploaded", "unchanged", 0)
    assert _body(s3, bucket) == body


def test_an_upload_that_was_called_off_says_so(ticket, write, s3, bucket):
    path = ticket(**HOW)
    told = json.loads(path.read_text())
    s3.abort_multipart_upload(Bucket=bucket, Key="k", UploadId=told["upload_id"])

    [one] = upload_direct(path, [write("big.bin", bytes_of(SIZE))])

    assert (one.outcome, one.error) == ("failed", "gone")
    assert "was completed or called off" in (one.detail or "")


def test_of_a_file_that_was_changed_since_only_what_differs_is_sent_again(
    ticket, write, s3, bucket, proxy: CountingProxy
):
    path = ticket(through=proxy.endpoint, **HOW)
    body = bytes_of(SIZE)
    denied = Answer(403, {}, b"<Error><Code>AccessDenied</Code></Error>")
    proxy.change = lambda p, a: denied if p.query.get("partNumber") == "4" else a
    [first] = upload_direct(path, [write("big.bin", body)])
    assert first.error == "access_denied"
    proxy.change = lambda _, answer: answer
    proxy.passed.clear()
    new = body[:PART] + bytes(PART) + body[2 * PART :]

    [one] = upload_direct(path, [write("big.bin", new)])

    assert (one.outcome, one.sent_bytes, proxy.count("PUT")) == ("uploaded", PART, 1)
    assert _body(s3, bucket) == new


def test_a_file_that_is_written_meanwhile_makes_no_object(
    ticket, write, s3, bucket, proxy: CountingProxy
):
    path = ticket(through=proxy.endpoint, **HOW)
    file = write("big.bin", bytes_of(SIZE))

    def write_now(passed: Passed, answer: Answer) -> Answer:
        if passed.method == "PUT":
            file.write_bytes(bytes_of(SIZE, "b"))
        return answer

    proxy.change = write_now
    [one] = upload_direct(path, [file])
    assert (one.outcome, "was changed while it was read" in (one.detail or "")) == ("failed", True)
    assert proxy.count("POST", "uploadId") == 0
    proxy.change = lambda _, answer: answer

    [again] = upload_direct(path, [file])
    assert again.outcome == "uploaded"
    assert _body(s3, bucket) == bytes_of(SIZE, "b")


def test_a_server_that_says_that_it_holds_something_else_is_a_failure(
    ticket, write, proxy: CountingProxy
):
    path = ticket(through=proxy.endpoint, **HOW)

    def lie(passed: Passed, answer: Answer) -> Answer:
        if passed.method == "PUT":
            answer.headers["etag"] = f'"{"0" * 32}"'
        return answer

    proxy.change = lie
    [one] = upload_direct(path, [write("big.bin", bytes_of(SIZE))])
    assert "does not hold what was sent" in (one.detail or "")


def test_etags_of_encrypted_parts_are_none_of_their_bytes_and_still_gone_on_with(
    ticket, write, s3, bucket, proxy: CountingProxy
):
    path = ticket(through=proxy.endpoint, **HOW)
    file = write("big.bin", bytes_of(SIZE))
    etags: dict[str, str] = {}

    def encrypt(passed: Passed, answer: Answer) -> Answer:
        if passed.method == "PUT":
            real = answer.headers["etag"]
            answer.headers["x-amz-server-side-encryption"] = "aws:kms"
            etags[real] = answer.headers["etag"] = f'"{real[1:17]}{"0" * 16}"'
        if passed.method == "POST":
            return Answer(403, {}, b"<Error><Code>AccessDenied</Code></Error>")
        for real, other in etags.items():
            answer.body = answer.body.replace(real[1:-1].encode(), other[1:-1].encode())
        return answer

    proxy.change = encrypt
    upload_direct(path, [file])
    sent = proxy.count("PUT")
    upload_direct(path, [file])

    assert (sent, proxy.count("PUT")) == (4, 4)


def test_an_expired_ticket_is_refused_and_a_new_one_of_the_same_upload_goes_on(
    ticket, write, s3, bucket, proxy: CountingProxy
):
    path = ticket(through=proxy.endpoint, **HOW)
    file, fresh = write("big.bin", bytes_of(SIZE)), path.read_text()
    told = json.loads(fresh)
    proxy.change = lambda p, a: (
        Answer(
            403,
            {},
            b"<Error><Code>AccessDenied</Code><Message>Request has expired</Message></Error>",
        )
        if p.query.get("partNumber") == "4"
        else a
    )
    [late] = upload_direct(path, [file])
    _changed(path, expires_at=str(datetime.now(UTC) - timedelta(hours=1)))

    with pytest.raises(InvalidInput, match=r"expired at .* UTC") as refused:
        upload_direct(path, [file])

    assert (late.error, "expired at" in (late.detail or "")) == ("refused", True)
    assert f"--upload-id {told['upload_id']}" in refused.value.hint
    proxy.change = lambda _, answer: answer
    proxy.passed.clear()
    path.write_text(fresh)
    [one] = upload_direct(path, [file])
    assert one.outcome == "uploaded"
    # All four have arrived, whatever was said of the last one.
    assert proxy.count("PUT") == 0


def test_what_a_ticket_is_not_for_is_refused_before_anything_is_sent(
    ticket, write, s3, bucket, proxy: CountingProxy, tmp_path
):
    path = ticket(through=proxy.endpoint, **HOW)
    good = write("big.bin", bytes_of(SIZE))
    proxy.passed.clear()
    for files, says in (
        ([write("short.bin", b"123")], f"has 3 bytes, and the ticket .* is for {SIZE:,}"),
        ([tmp_path / "nothing"], "There is no file"),
        ([tmp_path], "is no regular file"),
        ([good, write("other/k", b"1")], "0 have keys that end with 'big.bin'"),
        ([], "There is nothing to upload"),
    ):
        with pytest.raises(InvalidInput, match=says):
            upload_direct(path, files)
    assert proxy.passed == []


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("not json", "it is not JSON"),
        ("[]", "There is no ticket"),
        ("[1]", "is no ticket to upload with"),
        ('{"upload_id": "u", "bucket": "b", "key": "k"}', "expires_at: Field required"),
        ("[" * 100_000, "it is not JSON"),
    ],
)
def test_what_is_no_ticket_is_refused(tmp_path, write, text: str, says: str):
    path = tmp_path / "ticket.json"
    path.write_text(text)
    with pytest.raises(InvalidInput, match=says) as refused:
        upload_direct(path, [write("a", b"1")])
    assert "presign multipart" in refused.value.hint
    with pytest.raises(InvalidInput, match="cannot be read"):
        upload_direct(tmp_path / "none.json", [write("a", b"1")])


def test_a_ticket_that_was_tampered_with_is_refused(ticket, write):
    path = ticket(**HOW)
    told, file = json.loads(path.read_text()), write("big.bin", bytes_of(SIZE))
    for values, says in (
        ({"parts": told["parts"][1:]}, "do not fit together"),
        ({"parts": []}, "parts: "),
        ({"complete": {"method": "POST", "url": "http://elsewhere/x"}}, "do not fit together"),
        ({"complete": {"method": "POST", "url": "file:///etc/passwd"}}, "is no URL of a server"),
        ({"expires_at": "2126-01-01 00:00:00"}, "has no time zone"),
    ):
        _changed(path, **(told | values))
        with pytest.raises(InvalidInput, match=says):
            upload_direct(path, [file])
