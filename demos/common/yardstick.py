"""How good are a model's draws? Two questions, asked of two sets of features.

frechet: how far apart are the clouds of real and made images? It compares no
more than two means and two covariances, and mixes all faults into one number.
precision_recall: how many made images look real (precision), and how much of
what is real is made at all (recall)? Blur alone scores well in the first, a
model that has forgotten half of the classes badly in the second.

Both know images only by a network's features (N, D); their numbers can be
compared only where the network, and the number of draws, are the same. And
both have a floor: compare real images with other real ones first.
"""
from collections.abc import Iterator

import numpy as np

BLOCK = 500                    # rows of distances at a time, for memory


def frechet(a: np.ndarray, b: np.ndarray) -> float:
    """Return the Fréchet distance between two sets of features.

    a (N, D) and b (M, D), N and M above D. It is that between the two normal
    distributions with their means and covariances, squared as is usual:

        |μa − μb|² + tr A + tr B − 2·tr (A·B)^½

    Heusel et al. 2017, eq. 6. Raises ValueError as check_features does, and
    for fewer draws: a covariance of N draws has a rank below N.
    """
    check_features("frechet", a, b)
    N, D = min(len(a), len(b)), a.shape[1]
    if N <= D:
        raise ValueError(f"frechet: there are {N} draws with {D} features "
                         f"each, whose covariance is singular; make at least "
                         f"{D + 1} draws, and better ten times as many")
    (mean_a, R), (mean_b, S) = gaussian(a), gaussian(b)
    # With A = Rᵀ·R and B = Sᵀ·S, A·B has the eigenvalues of R·Sᵀ·S·Rᵀ, that
    # is of X·Xᵀ with X = R·Sᵀ; their roots are X's singular values. So no
    # small eigenvalue of A·B, known to 1e-16 of the largest, is ever rooted:
    # that would leave 1e-8 of it where two sets are equal
    cross = np.linalg.svd(R @ S.T, compute_uv=False).sum()
    squares = ((mean_a - mean_b) ** 2).sum() + (R * R).sum() + (S * S).sum()
    return max(0.0, float(squares - 2 * cross))


def gaussian(features: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return features' mean (D,), and R (D, D): their covariance is Rᵀ·R."""
    features = np.asarray(features, np.float64)
    mean = features.mean(axis=0)
    # X = Q·R with orthonormal columns in Q, so Xᵀ·X = Rᵀ·R
    R = np.linalg.qr(features - mean, mode="r")
    return mean, R / np.sqrt(len(features) - 1)


def precision_recall(real: np.ndarray, made: np.ndarray,
                     k: int = 3) -> tuple[float, float]:
    """Return the precision and the recall of made images, each in 0..1.

    real (N, D) and made (M, D) are features. Where is real? In the balls
    around its images that reach to each one's k-th nearest neighbour among
    the others. Precision is the share of the made ones in there; recall is
    the same with the parts exchanged: how many real images lie where made
    ones are (Kynkäänniemi et al. 2019, eq. 1 and 2). Raises ValueError as
    check_features does, and unless 1 <= k < N and M.
    """
    check_features("precision_recall", real, made)
    if not 1 <= k < min(len(real), len(made)):
        raise ValueError(f"precision_recall: k is {k!r}, but a number of "
                         "neighbours was expected, at least 1 and below the "
                         f"number of draws, {min(len(real), len(made))}")
    # seen from the middle of all, distances lose the fewest digits
    middle = np.float64(real.mean(axis=0))
    real, made = real - middle, made - middle
    return (share_inside(made, real, reach(real, k)),
            share_inside(real, made, reach(made, k)))


def reach(points: np.ndarray, k: int) -> np.ndarray:
    """Return the squared distance of each to its k-th nearest other: (N,)."""
    # of k + 1, since the nearest of all is the point itself
    return np.concatenate([np.partition(d, k, axis=1)[:, k]
                           for d in squared_distances(points, points)])


def share_inside(points: np.ndarray, centres: np.ndarray,
                 reaches: np.ndarray) -> float:
    """Return which share of points lies in any of the balls."""
    return float(np.concatenate([(d <= reaches).any(axis=1) for d in
                                 squared_distances(points, centres)]).mean())


def squared_distances(a: np.ndarray, b: np.ndarray) -> Iterator[np.ndarray]:
    """Yield |a − b|² for all pairs, some rows at a time: (BLOCK, M)."""
    of_b = (b * b).sum(axis=1)
    for start in range(0, len(a), BLOCK):
        some = a[start:start + BLOCK]
        sizes = (some * some).sum(axis=1)[:, None] + of_b
        d = sizes - 2 * some @ b.T
        # of two equal points this leaves not 0 but some rounding
        yield np.where(d > 1e-12 * sizes, d, 0)


def check_features(caller: str, a: np.ndarray, b: np.ndarray) -> None:
    """Refuse what are not two sets of features (N, D) and (M, D)."""
    for features in a, b:
        if features.ndim != 2 or 0 in features.shape:
            raise ValueError(f"{caller}: features of shape {features.shape} "
                             "were given, but a row for each image, (N, D), "
                             "was expected")
        if not np.isfinite(features).all():
            raise ValueError(f"{caller}: a feature is not finite; look for "
                             "NaN in the images, or in the network")
    if a.shape[1] != b.shape[1]:
        raise ValueError(f"{caller}: {a.shape[1]} and {b.shape[1]} features "
                         "cannot be compared; take both from one network")
