"""A picture to make a pyramid of."""

from collections.abc import Callable

from PIL import Image

from s3pipelines.core.imaging.pyramid_params import PyramidParams
from s3pipelines.core.imaging.pyramids import Pyramid

Make = Callable[..., tuple[Pyramid, Image.Image]]
LOSSLESS = PyramidParams(compression="deflate")


def gradient(width_px: int, height_px: int, mode: str = "RGB") -> Image.Image:
    """A picture of which every part is another one."""
    across = Image.linear_gradient("L").rotate(90).resize((width_px, height_px))
    down = Image.linear_gradient("L").resize((width_px, height_px))
    return Image.merge("RGB", (across, down, across)).convert(mode)
