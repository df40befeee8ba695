"""Serial liver imaging to lesion tracks, RECIST 1.1 responses, progression dates and survival endpoints."""

__version__ = "0.1.0"
