"""ssmr: semantic and style based multiple reference learning for art aesthetics."""

__version__ = '0.1.0'
