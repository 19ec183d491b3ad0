"""minivae: a convolutional VAE, its every gradient written by hand."""
from . import quick      # noqa: F401    what has a quick form takes it now
from .backend import get_xp
from .conv import Conv2D, Conv2DTranspose
from .extras.device import choose_device
from .extras.runs.model_file import load_model, load_pretrained, save_model
from .gradcheck import check_function, check_layer
from .layers import Dense, Flatten, Layer, ReLU, Reshape, Sequential, Sigmoid
from .losses import (bernoulli_logpdf, gaussian_kl, gaussian_logpdf,
                     gaussian_pixels_logpdf)
from .optim import Adam
from .vae import VAE, conv_vae, reparameterize

__version__ = "0.1.0"

__all__ = [
    "Adam", "Conv2D", "Conv2DTranspose", "Dense", "Flatten", "Layer", "ReLU",
    "Reshape", "Sequential", "Sigmoid", "VAE", "bernoulli_logpdf",
    "check_function", "check_layer", "choose_device", "conv_vae",
    "gaussian_kl", "gaussian_logpdf", "gaussian_pixels_logpdf", "get_xp",
    "load_model", "load_pretrained", "reparameterize", "save_model"]
