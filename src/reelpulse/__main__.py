"""``python -m reelpulse``."""

from reelpulse.cli import main

main()
