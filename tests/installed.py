"""What an installed minivae can do, far from its checkout.

    python - < tests/installed.py

The continuous integration runs it in an empty folder, with the wheel in an
environment of its own. It comes from standard input, as from a notebook there
is no file that worker processes could import, and no main guard.
"""
from pathlib import Path

import numpy as np

import minivae
from minivae import Adam, Dense, Layer, check_layer, conv_vae, load_pretrained
from minivae.data import load_fashion_mnist, load_mnist, to_float
from minivae.extras.explorer import write_page
from minivae.extras.parallel.workers import Workers
from minivae.train import epoch, evaluate, train_step

# No minivae in the current folder, and none that it could be mistaken for
assert Path.cwd() not in Path(minivae.__file__).parents, minivae.__file__

for name, load, at_least in (("fashion", load_fashion_mnist, -185),
                             ("mnist", load_mnist, -154)):
    data, vae = load(), load_pretrained(name)
    eps = vae.noise(1000, 0)
    reconstruction, kl = evaluate(vae, data.test_images[:1000], eps)
    print(f"{name}: ELBO {reconstruction - kl:.1f} of 1,000 test images")
    assert at_least < reconstruction - kl < at_least + 8
    assert vae.sample(9, 0).shape == (9, 28, 28, 1)
    page = Path(f"{name}.html")
    assert write_page(page, vae, name, data) > 1000
    assert "</html>" in page.read_text(encoding="utf-8")
    relatives = {kind: load_pretrained(name, kind) for kind in (
        "discrete", "gan", "pixelcnn", "vqvae")}
    discrete, x = relatives["discrete"], to_float(data.test_images[:500])
    bound = discrete.elbo(x, discrete.noise(500, 0)).mean()
    print(f"{name}, discrete codes: ELBO {bound:.1f} of 500 test images")
    assert reconstruction - kl + 50 < bound < 0
    assert relatives["gan"].sample(9, 0).shape == (9, 28, 28, 1)
    assert relatives["vqvae"].sample(9, 0).shape == (9, 28, 28, 1)
    assert relatives["pixelcnn"].sample(2, 5, 6, 0).shape == (2, 5, 6)


class Double(Layer):
    """A layer of a user's own: y = 2·x."""

    def forward(self, x):
        return 2 * x

    def backward(self, dy):
        return 2 * dy


rng = np.random.default_rng(0)
for layer in Dense(6, 3, rng=rng, dtype="float64"), Double():
    assert check_layer(layer, rng.standard_normal((4, 6)), verbose=False).ok

vae = conv_vae(rng=rng)
vae.decoder.layers.append(Double())          # which only this script knows
adam = Adam(vae.params, 1e-3)
with Workers(vae, (28, 28, 1), count=2) as workers:
    for x, eps in epoch(vae, data.train_images[:320], 32, rng):
        loss = train_step(workers, adam, x, eps)
print(f"two workers: loss {loss:.1f} after {adam.t} steps")
assert loss < 500

print("all of it works")
