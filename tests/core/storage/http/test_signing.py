from urllib.parse import urlsplit

from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from hypothesis import given
from hypothesis import strategies as st

from s3pipelines.core.storage.http.signing import (
    Keys,
    Request,
    path_of,
    query_of,
    signed_headers,
    written_now,
)
from tests.examples import examples

TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=8)


@examples(150)
@given(
    method=st.sampled_from(["GET", "HEAD"]),
    key=TEXTS,
    query=st.dictionaries(st.sampled_from(["prefix", "start-after", "max-keys"]), TEXTS),
    token=st.none() | st.just("token=="),
    region=st.sampled_from(["us-east-1", "eu-central-2"]),
    payer=st.booleans(),
)
def test_a_request_is_signed_as_botocore_signs_it(
    method: str, key: str, query: dict[str, str], token: str | None, region: str, payer: bool
) -> None:
    more = {"x-amz-request-payer": "requester"} if payer else {}
    path, parameters = path_of("/bucket", key), query_of(query)
    request = Request(method, "s3.example:9000", path, parameters, more)
    keys = Keys("AKID", "secret/key", token)
    ours = signed_headers(request, keys, region, written_now())

    url = f"http://s3.example:9000{path}" + (f"?{parameters}" if parameters else "")
    theirs = AWSRequest(method, url, headers=dict(more))
    theirs.context["timestamp"] = ours["x-amz-date"]
    signer = S3SigV4Auth(Credentials("AKID", "secret/key", token), "s3", region)
    signer._modify_request_before_signing(theirs)
    theirs.headers.replace_header("X-Amz-Date", ours["x-amz-date"]) if (
        "X-Amz-Date" in theirs.headers
    ) else theirs.headers.add_header("X-Amz-Date", ours["x-amz-date"])
    text = signer.string_to_sign(theirs, signer.canonical_request(theirs))
    assert ours["authorization"].endswith(f"Signature={signer.signature(text, theirs)}")
    assert urlsplit(url).path == path


def test_the_secret_is_in_no_representation() -> None:
    assert "secret" not in repr(Keys("AKID", "secret", "token"))
