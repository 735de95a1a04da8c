"""Heads: from the read-out of a graph to a loss and a score."""
