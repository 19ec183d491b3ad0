from minivae import bernoulli_logpdf, gaussian_kl, reparameterize
from minivae.vae import reparameterize_backward


def loss_and_gradients(decoder, x, mu, logvar, eps):
    N = len(x)
    z = reparameterize(mu, logvar, eps)
    log_p_x, dlogits = bernoulli_logpdf(x, decoder.forward(z))
    kl, kl_mu, kl_logvar = gaussian_kl(mu, logvar)
    dz = decoder.backward(-dlogits / N)
    dmu, dlogvar = reparameterize_backward(dz, logvar, eps)
    return (kl - log_p_x).mean(), dmu + kl_mu / N, dlogvar + kl_logvar / N
