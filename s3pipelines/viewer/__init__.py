"""The gallery in a browser, on loopback: pages over `core.preview`, without JavaScript.

Belongs here: routes, templates, what a browser is told. What a page holds is found in `core`.
"""
