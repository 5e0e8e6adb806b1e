from xml.sax.saxutils import escape

import pytest
from hypothesis import given
from hypothesis import strategies as st

from s3pipelines.core.errors import StorageError
from s3pipelines.core.storage.listing.pages import LISTED
from s3pipelines.core.storage.listing.parsing import parse
from s3pipelines.core.storage.listing.quick_parsing import columns_of
from s3pipelines.core.storage.locations import S3Location
from tests.examples import examples

HERE = S3Location("bucket")
HEAD = '<?xml version="1.0" encoding="UTF-8"?>\n<ListBucketResult xmlns="http://s3/"><Name>b</Name>'
TAIL = "<IsTruncated>false</IsTruncated></ListBucketResult>"
NAMES = st.text(st.characters(codec="utf-8", categories=["L", "N", "P", "Z", "S"]), min_size=1)
CLASSES = st.sampled_from(
    ["STANDARD", "STANDARD_IA", "GLACIER", "GLACIER_IR", "DEEP_ARCHIVE", "STANDARD_IB", "X"]
)


def _entry(
    key: str = "a.tif",
    size: str = "7",
    etag: str = "&quot;e&quot;",
    storage_class: str | None = "STANDARD",
    time: str = "2024-05-06T07:08:09.000Z",
    more: str = "",
) -> str:
    stored = "" if storage_class is None else f"<StorageClass>{storage_class}</StorageClass>"
    return (
        f"<Contents><Key>{escape(key)}</Key><LastModified>{time}</LastModified>"
        f"<ETag>{etag}</ETag>{more}<Size>{size}</Size>{stored}</Contents>"
    )


def _page(*entries: str) -> bytes:
    return f"{HEAD}{''.join(entries)}{TAIL}".encode()


def _by_xml(body: bytes, monkeypatch: pytest.MonkeyPatch) -> list[dict[str, object]]:
    with monkeypatch.context() as patch:
        patch.setattr("s3pipelines.core.storage.listing.parsing.columns_of", lambda _: None)
        return parse(body, HERE).objects.to_pylist()


@examples(150)
@given(
    rows=st.lists(
        st.tuples(NAMES, st.integers(0, 5 * 10**12), CLASSES, st.booleans()), max_size=12
    ),
    quote=st.sampled_from(["&quot;", '"', ""]),
)
def test_a_page_reads_the_same_by_numpy_and_by_an_xml_parser(
    rows: list[tuple[str, int, str, bool]], quote: str
) -> None:
    entries = [
        _entry(
            key,
            str(size),
            f"{quote}{'0123456789abcdef'[: 4 + number]}{quote}",
            storage_class,
            more="<ChecksumAlgorithm>CRC32</ChecksumAlgorithm>" if checked else "",
        )
        for number, (key, size, storage_class, checked) in enumerate(rows)
    ]
    body = _page(*entries)
    with pytest.MonkeyPatch.context() as patch:
        expected = _by_xml(body, patch)
    objects = parse(body, HERE).objects
    assert objects.schema == LISTED
    assert objects.to_pylist() == expected
    assert [row["key"] for row in expected] == [row[0] for row in rows]


def test_a_usual_page_is_read_without_an_xml_parser() -> None:
    columns = columns_of(_page(*(_entry(f"k{number}", str(number)) for number in range(1000))))
    assert columns is not None
    assert columns["Size"].to_pylist() == list(range(1000))


@pytest.mark.parametrize(
    "entry",
    [
        _entry("a&b"),
        _entry(size=""),
        _entry(size="1e3"),
        _entry(size="-1"),
        _entry(size="12345678901234567890"),
        _entry(time="2024-05-06"),
        _entry(etag='"e'),
        _entry().replace("<Key>", "<Key><b/>"),
        _entry().replace("<Key>a.tif</Key>", "<Key/>"),
        _entry().replace("<Key>", "<Key><![CDATA[").replace("</Key>", "]]></Key>"),
        _entry().replace("<Size>7</Size>", ""),
        _entry().replace("<Key>", '<Key a="b">'),
        _entry().replace("<Size>", "<Size>7</Size><Size>"),
        _entry().replace("</Contents>", ""),
        "<Contents>" + _entry() + "</Contents>",
        _entry(storage_class=""),
    ],
)
def test_what_is_not_regular_is_left_to_the_xml_parser(entry: str) -> None:
    body = _page(entry, _entry("b"))
    columns = columns_of(body)
    assert columns is None
    try:
        objects = parse(body, HERE).objects
    except StorageError:
        return  # It is no listing at all.
    assert objects.num_rows >= 1


def test_a_page_that_ends_within_a_tag_is_no_page() -> None:
    whole = _page(_entry("a"), _entry("b"))
    for end in range(len(HEAD), len(whole)):
        with pytest.raises(StorageError):
            parse(whole[:end], HERE)


def test_the_storage_class_is_standard_where_s3_says_none() -> None:
    objects = parse(_page(_entry(storage_class=None)), HERE).objects
    assert objects.column("storage_class").to_pylist() == ["STANDARD"]


def test_a_document_type_is_refused() -> None:
    body = _page(_entry("a&b")).replace(b"<ListBucketResult", b"<!DOCTYPE x><ListBucketResult", 1)
    with pytest.raises(StorageError, match="is not the XML"):
        parse(body, HERE)
