"""Rates for reading, by anyone: the part of /api/v1/ that needs no router beside what project/api.py registers."""
