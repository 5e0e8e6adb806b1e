"""What runs in the processes that are measured: `python -m benchmarks.contenders NAME ARGUMENTS`.

A contender takes texts and returns a JSON object of what only it can know (counts, the times of
its parts). Its time as a whole and its memory are measured from outside.
"""
