"""The VAE's relatives, made of the same layers: a room after the course.

Nothing in minivae imports it. Read categorical.py first, then masked.py and
pixelcnn.py (a prior that is learnt), straight_through.py, and discrete.py.
"""
