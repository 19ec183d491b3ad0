"""minivae: a convolutional VAE, its every gradient written by hand."""
from .backend import choose_device, get_xp
from .conv import Conv2D, Conv2DTranspose
from .gradcheck import check_function, check_layer
from .layers import Dense, Flatten, Layer, ReLU, Reshape, Sequential, Sigmoid

__version__ = "0.1.0"

__all__ = [
    "Conv2D", "Conv2DTranspose", "Dense", "Flatten", "Layer", "ReLU",
    "Reshape", "Sequential", "Sigmoid", "check_function", "check_layer",
    "choose_device", "get_xp"]
