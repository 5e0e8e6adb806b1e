"""Batch operations: a selection becomes a plan, which is reviewed, applied, reported and undone.

What belongs here: everything about plans that needs neither Dagster nor a terminal. How one kind of
change is made to objects is a file of `actions`; how S3 is asked is `core.storage.verbs`.
"""
