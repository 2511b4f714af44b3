"""How right found moments are, and what to label next."""
