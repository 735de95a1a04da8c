"""Assessors: whole models, from a batch of reference graphs to losses or scores."""
