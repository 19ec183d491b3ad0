"""The same VAE in JAX: one jit for a whole training step."""
import time

import jax
import jax.numpy as jnp
from jax import lax

# Full float32 on a GPU, too: no TF32
jax.config.update("jax_default_matmul_precision", "float32")
LAYOUT = ("NHWC", "HWIO", "NHWC")


def conv(x, w, b):
    return lax.conv_general_dilated(x, w, (2, 2), "VALID",
                                    dimension_numbers=LAYOUT) + b


def transpose(x, w, b, stride):
    # the gradient of a convolution, as in Keras
    return lax.conv_transpose(x, w, (stride, stride), "SAME",
                              dimension_numbers=LAYOUT,
                              transpose_kernel=True) + b


def encode(params, x):
    w1, b1, w2, b2, w3, b3 = params[:6]
    h = jax.nn.relu(conv(x, w1, b1))
    h = jax.nn.relu(conv(h, w2, b2))
    return jnp.split(h.reshape(len(x), -1) @ w3 + b3, 2, axis=1)


def decode(params, z):
    w4, b4, w5, b5, w6, b6, w7, b7 = params[6:]
    h = jax.nn.relu(z @ w4 + b4).reshape(-1, 7, 7, 32)
    h = jax.nn.relu(transpose(h, w5, b5, 2))
    h = jax.nn.relu(transpose(h, w6, b6, 2))
    return transpose(h, w7, b7, 1)


def log_normal_pdf(z, mu, logvar):
    return (-0.5 * ((z - mu) ** 2 * jnp.exp(-logvar) + logvar
                    + jnp.log(2 * jnp.pi))).sum(axis=1)


def elbo(params, x, eps):
    mu, logvar = encode(params, x)
    z = mu + eps * jnp.exp(0.5 * logvar)
    logits = decode(params, z)
    log_p_x = (x * logits - jax.nn.softplus(logits)).sum(axis=(1, 2, 3))
    return (log_p_x + log_normal_pdf(z, 0.0, 0.0)
            - log_normal_pdf(z, mu, logvar))


def train(params, m, v, t, x, eps, rate):
    loss, grads = jax.value_and_grad(
        lambda params: -elbo(params, x, eps).mean())(params)
    t = t + 1
    rate = rate * jnp.sqrt(1 - 0.999 ** t) / (1 - 0.9 ** t)
    m = [0.9 * a + 0.1 * g for a, g in zip(m, grads)]
    v = [0.999 * a + 0.001 * g * g for a, g in zip(v, grads)]
    params = [p - rate * a / (jnp.sqrt(b) + 1e-7)
              for p, a, b in zip(params, m, v)]
    return params, m, v, t, loss


class Contender:
    """The network with minivae's parameters, which are laid out as JAX's."""

    NAME = f"JAX {jax.__version__}"

    def __init__(self, params: dict, learning_rate: float, device: str):
        params = [jnp.array(p) for p in params.values()]
        self.state = (params, [0 * p for p in params],
                      [0 * p for p in params], jnp.float32(0))
        self.rate = learning_rate
        self.train = jax.jit(train, donate_argnums=(0, 1, 2, 3))
        self.bound = jax.jit(elbo)
        self.decode = jax.jit(lambda params, z: jax.nn.sigmoid(
            decode(params, z)))

    def step(self, x, eps) -> float:
        *self.state, loss = self.train(*self.state, x, eps, self.rate)
        return float(loss)

    def set_rate(self, rate: float) -> None:
        self.rate = rate

    def time_on_gpu(self, x, eps, times) -> list[float]:
        x, eps = jax.device_put((x, eps))
        start = time.perf_counter()
        for _ in range(times):             # JAX cannot mark the GPU's clock
            *self.state, loss = self.train(*self.state, x, eps, self.rate)
        loss.block_until_ready()
        return [(time.perf_counter() - start) / times]

    def elbo(self, images, eps) -> float:
        parts = [self.bound(self.state[0], images[i:i + 500].astype("float32"),
                            eps[i:i + 500])
                 for i in range(0, len(images), 500)]
        return float(jnp.concatenate(parts).mean())

    def landscape(self, z):
        return jax.device_get(self.decode(self.state[0], z))
