"""The VAE's relatives, made of the same layers: a room after the course.

Nothing else in minivae needs it, but load_pretrained, where it is asked for
one of them. README.md has the order to read the files in.
"""
