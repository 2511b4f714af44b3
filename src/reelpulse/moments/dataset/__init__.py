"""Labelled clips: the table of labels, the dataset, how one becomes the other."""
