"""Driving MMEngine: the only package that imports its runner."""
