"""Moments: from a timeline to the stretches worth a look."""
