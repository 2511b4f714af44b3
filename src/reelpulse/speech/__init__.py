"""Speech emotion: from a corpus of recordings to what a voice shows."""
