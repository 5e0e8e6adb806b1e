"""Lists of keys: text files and manifests of S3 Batch Operations."""

from pathlib import Path

import pytest

from s3pipelines.core.errors import InvalidInput
from s3pipelines.core.sql.key_lists import KeyList, read_batch_manifest, read_keys


def test_keys_are_read_one_a_line(tmp_path: Path):
    path = tmp_path / "keys.txt"
    path.write_bytes("\ufeffmaps/a.tif\r\n\nmaps/ x\u2028y \n".encode())

    assert read_keys(path).keys == {"maps/a.tif", "maps/ x\u2028y "}


@pytest.mark.parametrize("content", [b"", b"\n\n", b"\xff\xfe"])
def test_a_file_without_keys_is_refused(tmp_path: Path, content: bytes):
    path = tmp_path / "keys.txt"
    path.write_bytes(content)

    with pytest.raises(InvalidInput, match="keys"):
        read_keys(path)


def test_a_batch_manifest_has_encoded_keys_of_one_bucket(tmp_path: Path):
    path = tmp_path / "manifest.csv"
    path.write_text('maps,a%2Fb%20c.tif\n"maps","d+e%2C.tif",\nmaps,%C3%BC,null\n')

    assert read_batch_manifest(path) == KeyList(
        frozenset({"a/b c.tif", "d e,.tif", "\u00fc"}), "maps"
    )


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("maps\n", "Line 1"),
        ("maps,a,b,c\n", "Line 1"),
        ("maps,\n", "Line 1"),
        ("maps,a\nother,b\n", "names 2 buckets"),
        ("maps,a,3HL4kqtJvjVBH40Nrjfkd\n", "names the version"),
        ("", "names 0 buckets"),
    ],
)
def test_what_is_no_batch_manifest_is_refused(tmp_path: Path, text: str, words: str):
    path = tmp_path / "manifest.csv"
    path.write_text(text)

    with pytest.raises(InvalidInput, match=words):
        read_batch_manifest(path)
