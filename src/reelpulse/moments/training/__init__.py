"""What learns from labelled clips: networks, fits, comparison, tuning."""
