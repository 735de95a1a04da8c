"""The errors a user can cause or meet; each says what to do about it."""

from __future__ import annotations


class SsmrError(Exception):
    """Base of every error that ssmr raises on purpose.

    Args:
        message: What is wrong, naming the file, row, field or option.
        fix: What the reader should do about it.
    """

    def __init__(self, message: str, fix: str) -> None:
        super().__init__(message, fix)
        self.message = message
        self.fix = fix

    def __str__(self) -> str:
        return f'{self.message}\n  -> {self.fix}'


class ConfigError(SsmrError):
    """A config names something that does not exist or does not fit."""


class DataError(SsmrError):
    """A table, a label file or an image set cannot be used as it is."""


class ImageError(SsmrError):
    """One image cannot be decoded safely."""


class ArtifactError(SsmrError):
    """A stored artifact is corrupt, incomplete or made for something else."""


class WeightsError(SsmrError):
    """Pretrained weights are missing, unreadable or do not fit."""


class CheckpointError(SsmrError):
    """A training checkpoint is missing, unsafe or belongs to another config."""
