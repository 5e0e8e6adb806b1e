"""Measurements of the project beside its peers, so that what the design leans on rests on figures.

`python -m benchmarks` runs them all, `python -m benchmarks NAME` one of them; `RESULTS.md` keeps
what was seen. Here belongs what takes minutes and compares times, memory and bytes; what must hold
at every commit is a test. Every contender runs as a process of its own, so that one does not pay
for the imports or the memory of another; `contenders` is what runs in those processes, and the
modules that start and measure them import nothing heavy.
"""
