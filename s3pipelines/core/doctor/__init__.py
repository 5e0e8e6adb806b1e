"""What is well and what is not, and how to mend it: credentials, catalog, sources, queue, machine.

Looks only: the one thing that is written is a small document of the catalog, which is removed.
"""
