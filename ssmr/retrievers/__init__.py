"""Retrievers (SRIG): from feature banks to the references of every work."""
