"""Sharing datasets: objects registered, described, downloaded, and frozen as numbered versions."""
