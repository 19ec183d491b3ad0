"""Sharing the work of a step among cores and machines."""
