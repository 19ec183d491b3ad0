"""Paths through the latent space from one code to another."""
import numpy as np


def straight(a: np.ndarray, b: np.ndarray, n: int) -> np.ndarray:
    """Return n codes from a to b, (n, D), on a straight line; a, b (D,)."""
    t = np.linspace(0, 1, n)[:, None]
    return (1 - t) * a + t * b


def spherical(a: np.ndarray, b: np.ndarray, n: int) -> np.ndarray:
    """Return n codes from a to b, (n, D), on an arc as far from 0 as they are.

    In many dimensions the prior's draws lie near a sphere around 0, and a
    straight line cuts through the empty inside (Shoemake 1985; White 2016).
    Where there is no shortest arc (one of them is 0, or they are opposite each
    other), the line is returned.
    """
    radii = np.linalg.norm(a), np.linalg.norm(b)
    if min(radii) == 0:
        return straight(a, b, n)
    p, q = a / radii[0], b / radii[1]
    angle = 2 * np.arctan2(np.linalg.norm(p - q), np.linalg.norm(p + q))
    if np.sin(angle) < 1e-6:
        return straight(a, b, n)
    t = np.linspace(0, 1, n)[:, None]
    arc = (np.sin((1 - t) * angle) * p + np.sin(t * angle) * q) / np.sin(angle)
    return arc * np.linspace(*radii, n)[:, None]
