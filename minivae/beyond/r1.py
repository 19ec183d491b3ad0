"""R1: a discriminator that is right should be flat. By a difference.

A penalty on ∂D/∂x has a gradient with second derivatives, ∂²D/∂θ∂x, where θ
are D's parameters, and no layer here computes these. But only one product of
them with a vector is needed, and that is the derivative of an ordinary
gradient along a direction.
"""
from ..backend import Array, get_xp
from ..checks.images import check_not_empty
from ..layers import Layer
from ..losses import sum_per_image

MOVE = 0.1     # by how much images are moved; to flip 100 pixels would be 10


def r1_penalty(discriminator: Layer, x: Array,
               step: float = MOVE) -> tuple[Array, dict]:
    """Return ψ = E ½|∂D/∂x|² at real images x (N, ...), and its gradients.

    It keeps D flat where it is right, so that G's gradients stay small near
    the goal: without it, the two may circle for ever (Mescheder, Geiger &
    Nowozin 2018, eq. 9). The gradients are central differences; step is the
    length of an image's move, in the mean. Raises ValueError where there is no
    image.

    Their error falls with the square of step, if D is smooth. With ReLUs it
    is not: some units switch between the two sides. The second derivative
    leaves them out, the difference does not, however small step is (fewer
    switch then, but each counts for more). What is computed exactly, with g
    and h below as constants, is the gradient of D's mean slope between two
    points,

        E [D(x + h·g) − D(x − h·g)] / (2h)
    """
    # With g = ∂D/∂x: ∂ψ/∂θ = E g·∂g/∂θ, a second derivative. But if g, as it
    # is now, counts as a fixed direction, then g·∂D/∂x is D's slope along it,
    #     [D(x + h·g) − D(x − h·g)] / (2h) + O(h²),
    # and g·∂g/∂θ is the derivative of that with respect to θ: the difference
    # of two ordinary gradients.
    check_not_empty("r1_penalty", x)
    xp, N = get_xp(x), len(x)
    ones = xp.ones_like(discriminator.forward(x))            # (N, 1)
    g = discriminator.backward(ones)
    squares = sum_per_image(g * g)                           # (N,)
    h = step / xp.maximum(xp.sqrt(squares).mean(), 1e-12)
    sides = []
    for moved in x + h * g, x - h * g:
        discriminator.forward(moved)
        discriminator.backward_params(ones / (2 * h * N))
        sides.append(dict(discriminator.grads))
    plus, minus = sides
    return 0.5 * squares.mean(), {name: plus[name] - minus[name]
                                  for name in plus}
