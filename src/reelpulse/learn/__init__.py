"""What every trainer shares: what is learnt, how it is split, fitted, scored, tuned and stored."""
