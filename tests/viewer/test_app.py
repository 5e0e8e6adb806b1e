"""The viewer over HTTP: its pages, its pictures, and what it refuses."""

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from importlib.resources import files

import pytest

from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.errors import AccessDenied, StorageError
from s3pipelines.core.imaging.thumbnails import ThumbnailParams, thumbnail_name
from s3pipelines.core.preview.gallery import Gallery
from s3pipelines.core.sources.registry import create_source
from s3pipelines.core.storage.documents import open_documents
from s3pipelines.viewer.app import build_app
from tests.core.imaging.pictures import file_of, quadrants
from tests.core.preview.catalogs import SOURCE, Filling
from tests.viewer.serving import Served, served

WEBP = file_of(quadrants(), "WEBP")
SCRIPT = '"><script>alert(1)</script>.jpg'


@pytest.fixture
def filling(local_catalog: Catalog, bucket: str) -> Filling:
    return Filling(local_catalog, bucket)


@pytest.fixture
def viewer(local_catalog: Catalog) -> Iterator[Served]:
    with served(build_app(local_catalog)) as running:
        yield running


def put_thumbnail(catalog: Catalog, name: str) -> str:
    """Write the file that the row of `Filling.thumbnails` tells of; its address in the viewer."""
    document = thumbnail_name(ThumbnailParams().digest, SOURCE, f"in/{name}", "e1")
    open_documents(catalog.derivatives_location(SOURCE), catalog.access).put(document, WEBP)
    digest = document.rpartition("/")[2]
    return f"/sources/{SOURCE}/thumbnails/{ThumbnailParams().digest}/{digest}"


class _Elements(HTMLParser):
    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))


def elements(html: str, tag: str) -> list[dict[str, str | None]]:
    return [attributes for name, attributes in _Elements(html).found if name == tag]


def link(html: str, rel: str) -> str | None:
    return next((a["href"] for a in elements(html, "a") if a.get("rel") == rel), None)


def titles(html: str) -> list[str | None]:
    return [a["title"] for a in elements(html, "li") if "tile" in (a.get("class") or "")]


def test_the_start_page_lists_the_sources_with_their_objects(
    filling: Filling, viewer: Served, bucket: str
):
    filling.objects("a.jpg", "b.jpg")
    create_source(filling.catalog, "empty", f"s3://{bucket}/<b>", description="<i>Nothing</i>")
    page = viewer.ask("/").text
    assert "2 objects" in page
    assert "0 objects" in page
    assert f"s3://{bucket}/in/" in page
    assert "&lt;i&gt;Nothing&lt;/i&gt;" in page
    assert f"s3://{bucket}/&lt;b&gt;/" in page
    assert not elements(page, "i")
    assert "/sources/empty" in [a["href"] for a in elements(page, "a")]


def test_a_catalog_without_a_source_says_how_to_begin(viewer: Served):
    assert "s3pipelines sources create" in viewer.ask("/").text


def test_a_registration_that_cannot_be_read_hides_no_other_source(filling: Filling, viewer: Served):
    filling.catalog.documents.put("sources/damaged.json", b"{")
    answer = viewer.ask("/")
    assert answer.status == 200
    assert "registration of &#39;damaged&#39; cannot be read" in answer.text
    assert SOURCE in answer.text


def test_a_source_shows_pictures_and_reasons(filling: Filling, viewer: Served):
    filling.objects("a/one.jpg", "bad.jpg", "new.jpg")
    filling.headers("a/one.jpg")
    filling.thumbnails("a/one.jpg")
    filling.thumbnails("bad.jpg", error="truncated")
    address = put_thumbnail(filling.catalog, "a/one.jpg")

    page = viewer.ask(f"/sources/{SOURCE}").text

    assert [image["src"] for image in elements(page, "img")] == [address]
    assert titles(page) == ["in/a/one.jpg", "in/bad.jpg", "in/new.jpg"]
    for text in ("4000 \u00d7 3000", "1.2 kB", "2026-05-01", "Incomplete file", "Not made yet"):
        assert text in page
    assert "3 objects" in page


@pytest.mark.parametrize("key", [SCRIPT, "line\nbreak.jpg", "\u202egpj.exe", "a&amp;b.jpg", "'x'/"])
def test_a_key_can_be_anything_and_does_nothing(filling: Filling, viewer: Served, key: str):
    filling.objects(key)
    filling.thumbnails(key)
    page = viewer.ask(f"/sources/{SOURCE}").text
    assert not elements(page, "script")
    assert "\u202e" not in page
    written = f"in/{key}".replace("\n", "\\n").replace("\u202e", "\\u202e")
    assert titles(page) == [written]


def test_the_links_lead_through_the_whole_source_and_back(filling: Filling, viewer: Served):
    expected = [f"in/{n:02}.jpg" for n in range(11)]
    filling.objects(*(key.removeprefix("in/") for key in expected))
    seen: list[list[str | None]] = []
    address: str | None = f"/sources/{SOURCE}?size=4"
    last = ""
    while address is not None:
        last = viewer.ask(address).text
        seen.append(titles(last))
        address = link(last, "next")
    assert sum(len(page) for page in seen) == len(expected)
    assert [title for page in seen for title in page] == expected
    back = [titles(last)]
    while (address := link(last, "prev")) is not None:
        last = viewer.ask(address).text
        back.insert(0, titles(last))
    assert back == seen


def test_the_links_keep_the_filter_and_the_prefix(filling: Filling, viewer: Served):
    filling.objects("a&b/1.jpg", "a&b/2.jpg", "a&b/3.jpg", "c.jpg")
    filling.thumbnails("a&b/1.jpg", "a&b/2.jpg", "c.jpg")
    page = viewer.ask(f"/sources/{SOURCE}?size=1&show=images&prefix=a%26b/").text
    assert titles(page) == ["in/a&b/1.jpg"]
    assert elements(page, "input")[0]["value"] == "a&b/"
    following = link(page, "next")
    assert following is not None
    assert titles(viewer.ask(following).text) == ["in/a&b/2.jpg"]
    assert link(viewer.ask(following).text, "next") is None


def test_an_empty_page_says_why(filling: Filling, viewer: Served):
    assert "No object of this source" in viewer.ask(f"/sources/{SOURCE}").text
    filling.objects("a.jpg")
    assert "No key begins so" in viewer.ask(f"/sources/{SOURCE}?prefix=b").text
    assert "Nothing failed" in viewer.ask(f"/sources/{SOURCE}?show=failed").text
    assert "nothing more" in viewer.ask(f"/sources/{SOURCE}?after=eg").text


@pytest.mark.parametrize("place", [None, "derived/{source}"])
def test_a_thumbnail_comes_with_its_type_and_is_kept(
    local_catalog: Catalog, tmp_path, place: str | None
):
    where = None if place is None else str(tmp_path / place)
    catalog = Catalog(local_catalog.location, derivatives=where)
    address = put_thumbnail(catalog, "a.jpg")
    with served(build_app(catalog)) as viewer:
        answer = viewer.ask(address)
        assert (answer.status, answer.body) == (200, WEBP)
        assert answer.headers["Content-Type"] == "image/webp"
        assert answer.headers["Cache-Control"] == "private, max-age=31536000, immutable"
        tag = answer.headers["ETag"]
        assert viewer.ask(address, If_None_Match=tag).status == 304
        assert viewer.ask(address, If_None_Match='"other"').status == 200
        assert viewer.ask(address, "HEAD").body == b""


def test_a_thumbnail_on_s3_comes_through_the_viewer(s3_catalog: Catalog):
    address = put_thumbnail(s3_catalog, "a.jpg")
    with served(build_app(s3_catalog)) as viewer:
        assert viewer.ask(address).body == WEBP
        assert viewer.ask(re.sub(r"/[0-9a-f]{40}", "/" + "0" * 40, address)).status == 404


@pytest.mark.parametrize(
    ("params", "file"),
    [("short", "0" * 40), ("0" * 16, "short"), ("0" * 16, "A" * 40), ("F" * 16, "0" * 40)],
)
def test_what_is_not_named_like_a_thumbnail_is_not_given_out(
    local_catalog: Catalog, viewer: Served, params: str, file: str
):
    documents = open_documents(local_catalog.derivatives_location(SOURCE), local_catalog.access)
    documents.put(f"thumbnails/{params}/{file[:2]}/{file}.webp", WEBP)
    assert viewer.ask(f"/sources/{SOURCE}/thumbnails/{params}/{file}.webp").status == 404


@pytest.mark.parametrize(
    "path",
    [
        f"/sources/{SOURCE}/thumbnails/{'0' * 16}/{'0' * 40}.webp",
        f"/sources/{SOURCE}/thumbnails/{'0' * 15}/{'0' * 40}.webp",
        f"/sources/{SOURCE}/thumbnails/{'0' * 16}/{'A' * 40}.webp",
        f"/sources/{SOURCE}/thumbnails/{'0' * 16}/{'0' * 40}.webp%0A",
        f"/sources/{SOURCE}/thumbnails/{'0' * 16}/..%2F..%2F..%2Fsources%2F{SOURCE}.json",
        f"/sources/..%2F{SOURCE}/thumbnails/{'0' * 16}/{'0' * 40}.webp",
        f"/sources/../thumbnails/{'0' * 16}/{'0' * 40}.webp",
        "/sources/nobody",
        "/static/../app.py",
        "/static/%2e%2e/app.py",
        "/static/nothing.css",
        "/nothing",
        "/docs",
    ],
)
def test_what_is_not_there_is_not_found(filling: Filling, viewer: Served, path: str):
    answer = viewer.ask(path)
    assert answer.status == 404
    assert "<h1>Nothing here</h1>" in answer.text


@pytest.mark.parametrize(
    "query",
    ["after=!", "before=%00", "after=YQ&before=Yg", "show=x", "size=0", "size=9999", "size=-1"],
)
def test_a_query_that_makes_no_sense_is_a_bad_request(filling: Filling, viewer: Served, query: str):
    answer = viewer.ask(f"/sources/{SOURCE}?{query}")
    assert answer.status == 400
    assert "<h1>That does not work</h1>" in answer.text


def test_an_id_that_cannot_be_one_is_a_bad_request(viewer: Served):
    answer = viewer.ask("/sources/%3Cscript%3E")
    assert answer.status == 400
    assert not elements(answer.text, "script")


def test_a_catalog_that_cannot_be_read_is_not_available(
    filling: Filling, viewer: Served, monkeypatch: pytest.MonkeyPatch
):
    def refuse(*_: object) -> None:
        raise AccessDenied("The bucket says <no>.", hint="Ask its owner.")

    monkeypatch.setattr(Gallery, "page", refuse)
    answer = viewer.ask(f"/sources/{SOURCE}")
    assert answer.status == 503
    assert "The bucket says &lt;no&gt;." in answer.text
    assert "Ask its owner." in answer.text
    assert issubclass(AccessDenied, StorageError)


def test_a_mistake_of_the_viewer_shows_nothing_of_its_inside(
    filling: Filling, viewer: Served, monkeypatch: pytest.MonkeyPatch
):
    def fail(*_: object) -> None:
        raise RuntimeError("inner secret")

    monkeypatch.setattr(Gallery, "page", fail)
    answer = viewer.ask(f"/sources/{SOURCE}")
    assert answer.status == 500
    assert "inner secret" not in answer.text
    assert "Traceback" not in answer.text
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]


@pytest.mark.parametrize("path", ["/", f"/sources/{SOURCE}", "/nothing", "/static/viewer.css"])
def test_every_answer_forbids_the_browser_what_no_page_needs(
    filling: Filling, viewer: Served, path: str
):
    headers = viewer.ask(path).headers
    policy = headers["Content-Security-Policy"]
    assert policy == (
        "default-src 'none'; img-src 'self'; style-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    )
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "no-referrer"


def test_pages_load_nothing_from_elsewhere_and_run_nothing(filling: Filling, viewer: Served):
    filling.objects("a.jpg")
    filling.thumbnails("a.jpg")
    for path in ("/", f"/sources/{SOURCE}", "/nothing"):
        page = viewer.ask(path).text
        assert not elements(page, "script")
        assert "style=" not in page
        assert not re.search(r'(?:src|href|action)="(?!/)', page)
    assert "http" not in viewer.ask("/static/viewer.css").text


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "10.0.0.1", ""])
def test_another_host_name_is_refused(viewer: Served, host: str):
    answer = viewer.ask("/", Host=host)
    assert answer.status == 400
    assert "Content-Security-Policy" in answer.headers


def test_localhost_is_a_name_of_this_machine(viewer: Served):
    assert viewer.ask("/health", Host="localhost:1234").text == "ok\n"


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
@pytest.mark.parametrize("path", ["/", f"/sources/{SOURCE}", "/static/viewer.css", "/health"])
def test_nothing_can_be_sent(viewer: Served, method: str, path: str):
    assert viewer.ask(path, method).status == 405


def test_pages_with_keys_are_kept_by_no_cache(filling: Filling, viewer: Served):
    assert viewer.ask(f"/sources/{SOURCE}").headers["Cache-Control"] == "no-store"


def test_templates_and_styles_are_part_of_the_package():
    package = files("s3pipelines.viewer")
    for name in ("templates/base.html", "templates/source.html", "static/viewer.css"):
        assert (package / name).is_file()
