from minivae.layers import sigmoid
from minivae.vae import reparameterize_backward


def loss_gradients(decoder, x, z, logits, logvar, eps):
    N = len(x)
    dlogits = (sigmoid(logits) - x) / N
    dz = decoder.backward(dlogits) + z / N
    dmu, dlogvar = reparameterize_backward(dz, logvar, eps)
    return dlogits, dz, dmu, dlogvar - 0.5 / N
