"""Every file of the corpus gives a thumbnail, or a reason that is true."""

from pathlib import Path

import pytest

from s3pipelines.core.imaging.headers import read_header
from s3pipelines.core.imaging.outcomes import Refused
from s3pipelines.core.imaging.pool import DecodePool
from s3pipelines.core.imaging.sparse import BytesSource
from s3pipelines.core.imaging.thumbnails import make_thumbnail

# name -> the box of its 400 px thumbnail, or the reason and a word of the detail.
EXPECTED: dict[str, tuple[int, int] | tuple[str, str]] = {
    "1.webp": (400, 268),
    "17000x17000.avif": ("too_large", "17,000 x 17,000"),
    "1bit.tif": (256, 4),
    "2bit.tif": (256, 4),
    "4bit.tif": (256, 4),
    "Bretagne2_4.j2k": (400, 300),
    "CMU-1-Small-Region.svs": (299, 400),
    "ISO_12233-reschart.pdf": ("unsupported", "PDF: libvips with PDFium"),
    "WFPC2u5780205r_c0fx.fits": (200, 200),
    "avg152T1_LR_nifti.nii.gz": ("unsupported", "NIfTI: nibabel"),
    "avif-orientation-6.avif": (300, 400),
    # 99 frames of 13 x 169; only all of them together would be too high for a WebP file.
    "big-height.webp": (13, 169),
    "blankpage.pdf": ("unsupported", "PDF"),
    "blankpage.pdf.png": (283, 400),
    "blankpage.svg": (283, 400),
    "blankpage.svg.png": (283, 400),
    **{f"cd{n}.{m}.jpg": (400, 281) for n in range(1, 5) for m in (1, 2)},
    "cmyktest.pdf": ("unsupported", "PDF"),
    "cogs.gif": (85, 77),
    "cogs.png": (85, 385),
    "cramps.gif": (159, 203),
    "dicom_test_image.dcm": ("unsupported", "DICOM: pydicom"),
    "dispose-background.gif": (192, 168),
    "dispose-background.png": (152, 400),
    "dispose-previous.gif": (100, 100),
    "dispose-previous.png": (100, 300),
    "favicon.ico": (48, 48),
    "indexed.png": (262, 400),
    "invalid_multiframe.gif": (10, 9),
    "invisible.ico": (16, 16),
    "issue412.jp2": (256, 100),
    "logo.svg": (400, 300),
    "logo.svg.gz": (400, 300),
    "logo.svgz": (400, 300),
    "looks-like-svg.webp": (256, 256),
    "multi-channel-z-series.ome.tif": (400, 152),
    "ojpeg-strip.tif": (160, 160),
    "ojpeg-tile.tif": (234, 213),
    "page-box.pdf": ("unsupported", "PDF"),
    "rgba-correct.ppm": (64, 64),
    "rgba.png": (128, 128),
    "rotation_0.png": (262, 400),
    **{f"rotation_{n}.jpg": (300, 400) for n in (1, 2, 3, 4)},
    **{f"rotation_{n}.jpg": (231, 308) for n in (5, 6, 7, 8)},
    "sRGB.icm": ("not_an_image", "ICC colour profile"),
    "sample-xyb.jpg": (262, 400),
    "sample.cur": (32, 32),
    "sample.exr": ("unsupported", "OpenEXR"),
    "sample.hdr": ("unsupported", "Radiance"),
    "sample.jpg": (262, 400),
    "sample.mat": ("unsupported", "MATLAB: scipy"),
    "sample.png": (262, 400),
    "sample.tif": (262, 400),
    "silicongraphics.sgi": (400, 400),
    "small.bmp": (16, 12),
    "subsampled.tif": (250, 325),
    "t00740_tr1_segm.hdr": ("unsupported", "Analyze 7.5"),
    "t00740_tr1_segm.img": ("unsupported", "described by the .hdr beside it"),
    "targa.tga": (400, 400),
    "trans-x.gif": (100, 100),
    "trans-x.png": (100, 100),
    "truncated.gif": ("truncated", "Unexpected end"),
    "truncated.jpg": ("truncated", "premature end"),
    # Its 128 bytes in gzip are the JSON answer of a web shop.
    "truncated.svgz": ("not_an_image", "gzip data"),
    "ultra-hdr.jpg": (400, 225),
    "world.jp2": (400, 200),
}


def test_the_table_names_every_file_of_the_corpus(corpus: Path):
    assert sorted(EXPECTED) == sorted(path.name for path in corpus.iterdir())
    assert len(EXPECTED) == 79


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_each_file_is_a_thumbnail_or_a_true_reason(name: str, corpus: Path, pool: DecodePool):
    data, extension = (corpus / name).read_bytes(), name.rpartition(".")[2].lower()
    expected = EXPECTED[name]
    if isinstance(expected[0], int):
        made = make_thumbnail(pool, data, extension)
        assert (made.width_px, made.height_px) == expected
        assert made.webp[8:12] == b"WEBP"
        return
    with pytest.raises(Refused) as refused:
        make_thumbnail(pool, data, extension)
    reason, word = expected
    assert refused.value.failure.reason == reason
    assert str(word) in refused.value.failure.detail


@pytest.mark.parametrize(
    ("name", "header"),
    {
        "sample.jpg": ("jpeg", 290, 442, 3, 8, "srgb", 1, 1, True, True),
        "rotation_6.jpg": ("jpeg", 308, 231, 3, 8, "srgb", 1, 6, True, False),
        "rotation_0.png": ("png", 290, 442, 3, 16, "rgb16", 1, 1, False, True),
        "1bit.tif": ("tiff", 256, 4, 1, 1, "b-w", 1, 1, False, False),
        "cogs.gif": ("gif", 85, 77, 4, 4, "srgb", 5, 1, False, False),
        "big-height.webp": ("webp", 13, 169, 3, 8, "srgb", 99, 1, False, False),
        "multi-channel-z-series.ome.tif": ("tiff", 439, 167, 1, 8, "b-w", 15, 1, False, False),
        "17000x17000.avif": ("avif", 17000, 17000, 3, 8, "srgb", 1, 1, False, False),
        "WFPC2u5780205r_c0fx.fits": ("fits", 200, 200, 1, 32, "b-w", 1, 1, False, False),
        "logo.svgz": ("svg", 736, 552, 4, 8, "srgb", 1, 1, False, False),
        "world.jp2": ("jp2", 800, 400, 3, 8, "srgb", 1, 1, False, False),
    }.items(),
)
def test_headers_tell_what_the_files_are(name, header, corpus: Path, pool: DecodePool):
    extension = name.rpartition(".")[2]
    found = read_header(pool, BytesSource((corpus / name).read_bytes()), extension)

    values = (found.format, found.width_px, found.height_px, found.bands, found.bit_depth)
    values += (found.interpretation, found.pages, found.orientation, found.has_icc, found.has_xmp)
    assert values == header
