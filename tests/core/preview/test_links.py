"""Links into the viewer."""

import pytest

from s3pipelines.core.errors import InvalidInput
from s3pipelines.core.preview.links import gallery_url


def test_a_source_has_one_page_at_the_viewer():
    assert gallery_url("http://127.0.0.1:3001", "maps") == "http://127.0.0.1:3001/sources/maps"
    assert gallery_url("https://host/viewer/", "a.b-c_1") == "https://host/viewer/sources/a.b-c_1"


def test_a_link_can_lead_to_what_can_be_zoomed_into():
    link = gallery_url("http://127.0.0.1:3001", "maps", "pyramids")
    assert link == "http://127.0.0.1:3001/sources/maps?show=pyramids"


@pytest.mark.parametrize(
    "address", ["http://user:secret@host", "http://host/?token=secret", "http://host/#secret"]
)
def test_a_link_never_holds_a_secret(address: str):
    with pytest.raises(InvalidInput) as caught:
        gallery_url(address, "maps")
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("address", ["", "host:3001", "javascript:alert(1)", "file:///tmp"])
def test_what_is_no_address_of_a_web_server_is_refused(address: str):
    with pytest.raises(InvalidInput):
        gallery_url(address, "maps")
