"""The sensors: gather, compare by a pure rule of the core, translate into run requests."""
