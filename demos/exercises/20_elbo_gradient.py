"""The gradient of the whole: minus the ELBO, backwards

The loss of a VAE is minus the mean ELBO of N images, from one z each:

    loss = mean of [ log q(z|x) - log p(x|z) - log p(z) ]

Below is its forward. Go backwards through it, from the loss to the encoder's
outputs, mu and logvar. z enters two terms; logvar enters z, and one more term.

Write loss_gradients. decoder.forward has been called before, and
decoder.backward(dlogits) returns what comes back to z; it leaves the gradients
of the decoder's own parameters in decoder.grads.
"""
import numpy as np

from minivae import bernoulli_logpdf, gaussian_logpdf, reparameterize
from minivae.layers import sigmoid
from minivae.vae import reparameterize_backward


def forward(decoder, x, mu, logvar, eps):
    """Return loss, z and logits."""
    z = reparameterize(mu, logvar, eps)                      # (N, D)
    logits = decoder.forward(z)                              # (N, pixels)
    log_p_x = bernoulli_logpdf(x, logits)[0]                 # (N,)
    log_p_z = gaussian_logpdf(z)[0]                          # (N,)
    # z is eps, moved by mu and stretched by sigma; and a density that is
    # stretched by sigma is divided by sigma: log(sigma) = logvar/2
    log_q = gaussian_logpdf(eps)[0] - 0.5 * logvar.sum(axis=1)
    return (log_q - log_p_x - log_p_z).mean(), z, logits


def loss_gradients(decoder, x, z, logits, logvar, eps):
    """Return dlogits, dz, dmu and dlogvar, all of the loss."""
    # x, logits (N, pixels); z, logvar, eps (N, D)
    # dz: by all that z enters, the decoder and the prior
    # reparameterize_backward(dz, logvar, eps) returns z's part of dmu, dlogvar
    raise NotImplementedError
