"""Images made from images: a recipe of steps, an output format, and the proof that it was done.

`steps`, `outputs` and `recipe` say what is wanted, and are plain values that any process may read
and check. In a worker, `following` carries the steps out, `fitting` brings an image to what its
format can hold, `writing` encodes and `proof` reopens and compares. Outside, `making` is one call
for one image, and `writers` tells what this machine can write.
"""
