"""The gallery in a browser, on loopback: pages over `core.preview`; a script only where it zooms.

Belongs here: routes, templates, what a browser is told. What a page holds is found in `core`.
"""
