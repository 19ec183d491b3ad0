"""How is a face edited? Its code is moved, and decoded where it arrives.

An edit is a function: from what is asked for to N images (N, H, W, 1). What
is asked for is one smile for all faces, or one for each, (N, 1). It is a
target, not a step: what a face lacks of it depends on how much it smiles
already, which is read from its code.
"""
from collections.abc import Callable

import numpy as np

from minivae.data import to_float

from .code_spaces import Space
from .faces import draw_faces
from .people import FACTORS, People

SMILE, OPENING = FACTORS.index("smile"), FACTORS.index("opening")


def straight(space: Space, ways: np.ndarray, read: Callable,
             images: np.ndarray, factors: tuple = (SMILE,)) -> Callable:
    """Return an edit along a line: code + (target - read(code))·way.

    ways (F, D) are the directions of F factors, and the edit then takes F
    targets, or (N, F). read takes codes (N, D) to factors (N, K).
    """
    codes = space.encode(images)
    here = read(codes)[:, factors]                               # (N, F)
    return lambda targets: space.decode(codes + (targets - here) @ ways)


def curved(space: Space, curve: Callable, read: Callable,
           images: np.ndarray) -> Callable:
    """Return an edit along a path that bends, and is each face's own.

    curve takes factors (N, K) to the codes (N, D) that such faces have, on
    average. What a face has beyond that, it keeps.
    """
    codes = space.encode(images)
    here = read(codes)                                           # (N, K)

    def edit(targets):
        there = here.copy()
        there[:, [SMILE]] = targets
        return space.decode(codes + curve(there) - curve(here))
    return edit


def anew(people: People, size: int) -> Callable:
    """Return no edit but the truth: the same people, drawn with that smile."""
    def edit(targets):
        smile = np.broadcast_to(targets, (len(people.smile), 1))[:, 0]
        return to_float(draw_faces(people._replace(smile=smile), size))
    return edit
