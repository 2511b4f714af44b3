"""Faces in a picture: where they are, whose they are, what they show."""
