"""What is refused as images, as a set of images, and as their shape."""
import numpy as np

from ..backend import Array
from .arrays import check_sizes


def check_pixels(caller, x: Array) -> None:
    """Refuse pixels x (N, ...) of floating point that are not in 0..1."""
    if not hasattr(x, "dtype"):
        raise TypeError(f"{caller}: the images are a {type(x).__name__}, but "
                        "an array was expected")
    if x.dtype.kind != "f" or not x.size or (x.min() >= 0 and x.max() <= 1):
        return                                # (of NaN, neither would be true)
    at = np.unravel_index(int(((x >= 0) & (x <= 1)).argmin()), x.shape)
    n, *pixel = map(int, at)
    raise ValueError(f"{caller}: image {n} has {float(x[at])} at pixel "
                     f"{pixel}, but numbers from 0 to 1 were expected; mend "
                     "or rescale the data")


def check_not_empty(caller, *batches: Array) -> None:
    """Refuse a batch without images."""
    if not all(map(len, batches)):
        raise ValueError(f"{caller}: the batch has no image, and the mean "
                         "over none is undefined")


def check_batch_size(batch_size: int, N: int) -> None:
    """Refuse one that is below 1 or above the number of images, N."""
    if not 1 <= batch_size <= N:
        raise ValueError(f"the batch size is {batch_size}, but it must lie "
                         f"between 1 and the number of images, {N}")


def check_bytes(images: Array) -> None:
    """Refuse a whole set whose bytes are 0 and 1: bits, not grey values.

    (One batch could be that dark, so to_float cannot tell.)
    """
    if images.dtype == np.uint8 and images.size and images.max() == 1:
        raise ValueError("the images are bytes of 0 and 1, but a byte is a "
                         "grey value, 0..255; make bits of them with "
                         "images.astype(bool)")


def check_image_shape(caller, shape) -> tuple[int, int, int]:
    """Return (H, W, C); ValueError for images that a conv_vae cannot have."""
    if not isinstance(shape, (tuple, list)) or len(shape) != 3:
        raise ValueError(f"{caller}: image_shape is {shape}, but three sizes "
                         "(H, W, C) were expected")
    H, W, C = shape
    check_sizes(caller, height=H, width=W, channels=C)
    if H % 4 or W % 4 or min(H, W) < 8:
        raise ValueError(
            f"{caller}: images of {H} x {W} do not fit: the decoder doubles "
            "height and width twice and the encoder's two 3 x 3 convolutions "
            "need 7 pixels, so both must be multiples of 4, 8 or more; crop "
            "or pad them")
    return H, W, C
