"""Data sets: readers, image loading and reference-graph batches."""
