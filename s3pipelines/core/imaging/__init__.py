"""Images: what they are, and thumbnails of them, from files that nobody vouches for.

Nothing here decodes in its own process. `pool` hands each image to a confined `worker`, so that a
file that hangs, crashes or eats memory costs itself and nothing else. In the worker, `formats`
tells what a file is, `inspection` reads its header, `drawing` makes its thumbnail and `converting`
its pyramid. Outside, `headers`, `thumbnails` and `pyramids` are one call each for one image, and
`work` goes through a source.
"""
