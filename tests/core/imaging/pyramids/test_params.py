"""The parameters of pyramids: which there are, and what names them."""

from dataclasses import replace
from typing import Any

import pytest

from s3pipelines.core.errors import InvalidInput
from s3pipelines.core.imaging.pool import DecodePool
from s3pipelines.core.imaging.pyramid_params import PyramidParams, digest_of
from s3pipelines.core.imaging.pyramids import codecs_of
from tests.core.imaging.pyramids.making import LOSSLESS


def test_only_codecs_that_were_seen_to_work_are_offered(pool: DecodePool):
    codecs = codecs_of(pool)

    assert {"jpeg", "deflate", "lzw", "none"} <= set(codecs)


BAD: tuple[dict[str, Any], ...] = (
    {"tile_px": 100},
    {"tile_px": 0},
    {"compression": "fun"},
    {"colour": "fun"},
    {"quality": 0},
    {"dpi": -1},
    {"max_width_px": 0},
)


@pytest.mark.parametrize("fields", BAD)
def test_parameters_that_cannot_be_are_refused(fields: dict[str, Any]):
    with pytest.raises(InvalidInput):
        PyramidParams(**fields)


def test_the_digest_names_what_decides_and_nothing_else():
    plain = digest_of(PyramidParams())

    assert plain == digest_of(PyramidParams(max_width_px=5))
    assert plain != digest_of(PyramidParams(quality=50))
    assert plain != digest_of(PyramidParams(), "{stem}.tif")
    assert digest_of(LOSSLESS) == digest_of(replace(LOSSLESS, quality=50))
