"""Film genre: pairs of consecutive frames, and networks that name the genre they are of."""
