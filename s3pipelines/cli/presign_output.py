"""How presigned requests are printed: as JSON, or as something that can be pasted."""

import shlex
from typing import TYPE_CHECKING, Any

import click

from s3pipelines.core.errors import printable

if TYPE_CHECKING:
    from s3pipelines.core.buckets.keys import Target
    from s3pipelines.core.buckets.presigning import InParts
    from s3pipelines.core.storage.presigned import Signed

_TEMPORARY = "Signed with temporary credentials: it ends with them, if that is earlier."


def signed_json(target: "Target", signed: "Signed") -> dict[str, Any]:
    """A request for machines."""
    shown: dict[str, Any] = {
        "bucket": target.bucket,
        "key": target.key,
        "method": signed.method,
        "url": signed.url,
        "headers": dict(signed.headers),
    }
    if signed.fields:
        shown["fields"] = dict(signed.fields)
    shown["expires_at"] = signed.expires_at
    if signed.is_temporary:
        shown["note"] = _TEMPORARY
    return shown


def print_signed(target: "Target", signed: "Signed") -> None:
    """A URL alone if that is all; else a call of curl. What is to be known goes to stderr."""
    until = f"{signed.expires_at:%Y-%m-%d %H:%M:%S} UTC"
    click.echo(f"{printable(target.uri)} until {until}", err=True)
    if signed.is_temporary:
        click.echo(_TEMPORARY, err=True)
    click.echo(signed.url if signed.method == "GET" and not signed.headers else _curl(signed))


def in_parts_json(target: "Target", begun: "InParts") -> dict[str, Any]:
    """An upload in parts for machines, with the commands that end it."""
    ending = f"{shlex.quote(target.uri)} --upload-id {shlex.quote(begun.upload_id)}"
    headers = {"headers": dict(begun.complete.headers)} if begun.complete.headers else {}
    return {
        "bucket": target.bucket,
        "key": target.key,
        "upload_id": begun.upload_id,
        "expires_at": begun.complete.expires_at,
        **headers,
        "parts": [vars(part) for part in begun.parts],
        "list": [_call(one) for one in begun.list],
        "look": _call(begun.look),
        "complete": {
            "command": f"s3pipelines presign complete {ending}",
            **_call(begun.complete),
            "body": "<CompleteMultipartUpload><Part><PartNumber>1</PartNumber>"
            "<ETag>ETAG OF PART 1</ETag></Part>…</CompleteMultipartUpload>",
        },
        "abort": {
            "command": f"s3pipelines presign abort {ending}",
            **_call(begun.abort),
        },
    }


def _call(signed: "Signed") -> dict[str, Any]:
    headers = {"headers": dict(signed.headers)} if signed.headers else {}
    return {"method": signed.method, "url": signed.url, **headers}


def _curl(signed: "Signed") -> str:
    words = ["curl", "--fail"]
    if signed.fields:
        for name, value in signed.fields.items():
            words += ["--form-string", f"{name}={value}"]
        words += ["-F", "file=@FILE"]
    else:
        for name, value in signed.headers.items():
            # curl tells the length of the file by itself.
            words += ["-H", f"{name}: {value}"] if name != "content-length" else []
        words += ["--upload-file", "FILE"] if signed.method == "PUT" else []
    return shlex.join([*words, signed.url])
