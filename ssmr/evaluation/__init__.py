"""Metrics, intervals, baselines and reports; importing a module of this package loads neither scipy nor torch."""
