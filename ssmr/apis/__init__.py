"""Assessing works that are in no table: ``from ssmr.apis import AestheticInferencer``."""

from ssmr.apis.assessment import Assessment, Reference
from ssmr.apis.inferencer import AestheticInferencer

__all__ = ['AestheticInferencer', 'Assessment', 'Reference']
