"""Which image of a TIFF shows its first page, and is just large enough."""

from s3pipelines.core.imaging.tiff import VIPS_COMPRESSIONS, Directory, Tiff


def level_options(tiff: Tiff, box_px: int) -> str:
    """The libvips option of `chosen_level`: `page=3` or `subifd=1`; `page=0` if there is none."""
    return chosen_level(tiff, box_px)[0]


def chosen_level(tiff: Tiff, box_px: int) -> tuple[str, Directory]:
    """The smallest image in the file that shows the first page big enough, as libvips names it.

    Images count that say they are reduced copies, and the levels of Aperio slides (SVS), which do
    not say so but have the aspect ratio of the slide, unlike its label.
    """
    first = tiff.first
    slide = first.description.startswith("Aperio")
    candidates = [("page=0", first)]
    for index, page in enumerate(tiff.pages[1:], start=1):
        if page.reduced or slide:
            candidates.append((f"page={index}", page))
    candidates += [(f"subifd={index}", level) for index, level in enumerate(tiff.levels)]
    fitting = [
        (directory.width_px, options, directory)
        for options, directory in candidates
        if _shows(first, directory, box_px) or directory is first
    ]
    _, options, directory = min(fitting, key=lambda one: one[:2])
    return options, directory


def _shows(whole: Directory, part: Directory, box_px: int) -> bool:
    if part.compression not in VIPS_COMPRESSIONS or not part.height_px or not whole.height_px:
        return False
    ratio = (part.width_px / part.height_px) / (whole.width_px / whole.height_px)
    big_enough = max(part.width_px, part.height_px) >= box_px
    return big_enough and abs(ratio - 1) < 0.01 and part.width_px < whole.width_px
