"""Upkeep of the catalog: files sorted and of good size, old versions removed, logs short.

`optimize.py` is read from the top. Nothing here changes what a reader is shown.
"""
