"""What a file is, by its first bytes, and who can read it.

The list is an allow-list: what is not named here reaches no decoder.
"""

import re
import zlib
from dataclasses import dataclass

# libvips loaders that may be used; `svg` is one that libvips marks as untrusted (see `vips`).
VIPS_FORMATS = frozenset({"avif", "gif", "heic", "jpeg", "png", "svg", "tiff", "webp"})
# Our name -> Pillow's. EPS is left out, as Pillow has Ghostscript run it, and so are Pillow's
# stubs (BUFR, GRIB, HDF5, WMF), which read nothing.
PILLOW_FORMATS = {
    "avif": "AVIF",
    "bmp": "BMP",
    "cur": "CUR",
    "dds": "DDS",
    "fits": "FITS",
    "gif": "GIF",
    "heic": "HEIF",
    "icns": "ICNS",
    "ico": "ICO",
    "jp2": "JPEG2000",
    "jpeg": "JPEG",
    "jxl": "JXL",
    "pcx": "PCX",
    "png": "PNG",
    "ppm": "PPM",
    "psd": "PSD",
    "qoi": "QOI",
    "sgi": "SGI",
    "sun": "SUN",
    "tga": "TGA",
    "tiff": "TIFF",
    "webp": "WEBP",
}
# Compressions of TIFF that are tried by `doctor`, with TIFF's numbers of them.
TIFF_CODECS = {
    "none": 1,
    "group3": 3,
    "group4": 4,
    "lzw": 5,
    "jpeg": 7,
    "deflate": 8,
    "packbits": 32773,
    "lzma": 34925,
    "zstd": 50000,
    "webp": 50001,
}
# What nothing here can read -> what would.
WHAT_WOULD = {
    "analyze": "Analyze 7.5: nibabel, or libvips with libniftiio",
    "analyze-data": "voxels of Analyze or NIfTI, described by the .hdr beside it: nibabel",
    "dicom": "DICOM: pydicom, or libvips with ImageMagick",
    "eps": "EPS and PostScript: Ghostscript, in a sandbox of its own",
    "exr": "OpenEXR: libvips with OpenEXR, or the OpenEXR package",
    "fits": "FITS: libvips with cfitsio, or astropy",
    "hdr": "HDR (Radiance): libvips with its Radiance loader, or imageio",
    "heic": "HEIC: pillow-heif, or libvips with libde265",
    "jp2": "JPEG 2000: Pillow or libvips with OpenJPEG",
    "jxl": "JPEG XL: pillow-jxl-plugin, or libvips with libjxl",
    "mat": "MATLAB: scipy.io.loadmat, or libvips with matio",
    "nifti": "NIfTI: nibabel, or libvips with libniftiio",
    "pdf": "PDF: libvips with PDFium or poppler, in a sandbox of its own",
}
# What is no image at all, though it lies among images.
NOT_IMAGES = {
    "icc": "an ICC colour profile",
    "gzip": "gzip data with no image in them that is known",
    "hdf5": "HDF5, see hdf5_headers",
    "zip": "a ZIP archive",
}

_MAGIC: tuple[tuple[int, bytes, str], ...] = (
    (0, b"\xff\xd8\xff", "jpeg"),
    (0, b"\x89PNG\r\n\x1a\n", "png"),
    (0, b"GIF87a", "gif"),
    (0, b"GIF89a", "gif"),
    (0, b"II*\0", "tiff"),
    (0, b"MM\0*", "tiff"),
    (0, b"II+\0", "tiff"),
    (0, b"MM\0+", "tiff"),
    (0, b"\0\0\0\x0cjP  \r\n\x87\n", "jp2"),
    (0, b"\xff\x4f\xff\x51", "jp2"),
    (0, b"\0\0\0\x0cJXL \r\n\x87\n", "jxl"),
    (0, b"\xff\x0a", "jxl"),
    (0, b"BM", "bmp"),
    (0, b"icns", "icns"),
    (0, b"8BPS", "psd"),
    (0, b"qoif", "qoi"),
    (0, b"DDS ", "dds"),
    (0, b"\x01\xda", "sgi"),
    (0, b"\x59\xa6\x6a\x95", "sun"),
    (0, b"SIMPLE  =", "fits"),
    (0, b"%PDF-", "pdf"),
    (0, b"%!PS", "eps"),
    (0, b"\xc5\xd0\xd3\xc6", "eps"),
    (0, b"v/1\x01", "exr"),
    (0, b"#?RADIANCE", "hdr"),
    (0, b"#?RGBE", "hdr"),
    (0, b"MATLAB 5.0 MAT-file", "mat"),
    (0, b"\x89HDF\r\n\x1a\n", "hdf5"),
    (0, b"PK\3\4", "zip"),
    (36, b"acsp", "icc"),
    (128, b"DICM", "dicom"),
    (344, b"n+1\0", "nifti"),
    (344, b"ni1\0", "nifti"),
)
_HEIF_BRANDS = {
    b"avif": "avif",
    b"avis": "avif",
    b"heic": "heic",
    b"heix": "heic",
    b"hevc": "heic",
    b"heim": "heic",
    b"mif1": "heic",
    b"msf1": "heic",
}
_ICONS = {b"\0\0\1\0": "ico", b"\0\0\2\0": "cur"}
_PPM = re.compile(rb"P[1-7][\s#]|P[Ff][\s]")
_SVG = re.compile(rb"<(?:[A-Za-z][\w.-]*:)?svg[\s>]")
# These have no magic of their own, so the name decides.
_BY_EXTENSION = {
    "tga": "tga",
    "icb": "tga",
    "vda": "tga",
    "vst": "tga",
    "pcx": "pcx",
    "img": "analyze-data",
}
_GZIP = b"\x1f\x8b"
_SVG_HEAD = 4096


@dataclass(frozen=True)
class Sniffed:
    """What the first bytes say: the name of the format, and whether it lies in gzip."""

    name: str
    gzipped: bool = False


def sniff(head: bytes, extension: str) -> Sniffed | None:
    """The format of a file, or None for none that is known.

    Args:
        head: Its first bytes, 4 kB or all of them.
        extension: Lower-case ending of its name, for the formats that have no magic number.
    """
    if head.startswith(_GZIP):
        inner = _format(gunzip_head(head), extension)
        return Sniffed(inner if inner in ("svg", "nifti") else "gzip", gzipped=True)
    name = _format(head, extension)
    return Sniffed(name) if name else None


def gunzip_head(head: bytes, length: int = _SVG_HEAD) -> bytes:
    """The first bytes of what is compressed; empty if it is damaged."""
    try:
        return zlib.decompressobj(wbits=31).decompress(head, length)
    except zlib.error:
        return b""


def _format(head: bytes, extension: str) -> str | None:
    for offset, magic, name in _MAGIC:
        if head.startswith(magic, offset):
            return name
    if head[4:8] == b"ftyp":
        return _heif(head)
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "webp"
    return _by_pattern(head) or _BY_EXTENSION.get(extension)


def _by_pattern(head: bytes) -> str | None:
    if _PPM.match(head):
        return "ppm"
    # The number of images follows, and is 0 in a TGA that begins like this.
    if head[:4] in _ICONS and head[4:6] != b"\0\0":
        return _ICONS[head[:4]]
    if _SVG.search(head[:_SVG_HEAD]) and head.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<"):
        return "svg"
    # An Analyze header is 348 bytes long and says so first.
    if len(head) >= 348 and 348 in (
        int.from_bytes(head[:4], "little"),
        int.from_bytes(head[:4], "big"),
    ):
        return "analyze"
    return None


def _heif(head: bytes) -> str | None:
    """AVIF or HEIC by the brands of the `ftyp` box; the major one may be the common `mif1`."""
    end = min(int.from_bytes(head[:4], "big"), 256)
    brands = [head[8:12], *(head[at : at + 4] for at in range(16, end, 4))]
    known = [_HEIF_BRANDS[brand] for brand in brands if brand in _HEIF_BRANDS]
    return "avif" if "avif" in known else (known[0] if known else None)
