"""The registry of sources: which buckets and prefixes are collections, and what belongs to them."""
