"""What the ending of a name says: certainly an image, certainly none, or nothing."""


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# Formats that a decoder here reads, so that the object is fetched whole at once.
READABLE = _words(
    "apng avif bmp cur dds dib gif heic heif icb icns ico j2c j2k jfif jp2 jpe jpeg jpf jpg jpx "
    "jxl pam pbm pcx pgm png pnm ppm psd qoi rgb rgba sgi svg svgz svs tga tif tiff vda vst webp"
)
# And formats that are images, but that nothing here may be able to read: their first bytes tell.
IMAGES = READABLE | _words(
    "arw bif cr2 cr3 dcm dicom dng eps exr fit fits fts hdr img jxr ndpi nef nii nrrd orf pdf psb "
    "raf raw rw2 scn vms vmu"
)
# Certainly none. Anything else is unknown, and a request each.
NO_IMAGES = _words(
    "7z aac arrow avi avro bak bib bz2 c cfg conf cpp crc css csv db dll doc docx exe feather flac "
    "geojson go h h5 hdf hdf5 htm html ini ipynb jar java js json jsonl lock log lz4 m4a m4v map "
    "md md5 mid mkv mov mp3 mp4 mpeg mpg nc ndjson npy npz odp ods odt ogg onnx orc parquet pb "
    "pkl ppt pptx proto pt pth py pyc rar rb rs rst sh sha1 sha256 so sql sqlite srt tar tex tgz "
    "toml tsv ts ttf txt wav webm whl woff woff2 xls xlsx xml xz yaml yml zarr zip zst"
)
