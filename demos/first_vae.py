"""A first VAE: train it for one epoch, and look at the plane of its codes.

    python demos/first_vae.py

About a minute; the picture is runs/first_vae/landscape.png. This is all
there is to it: train_fashion.py is the same loop, for longer, on all cores,
with more pictures, a log and checkpoints.
"""
from pathlib import Path

import numpy as np
from tqdm import tqdm

from minivae import Adam, conv_vae
from minivae.data import load_fashion_mnist
from minivae.plots import draw_landscape, save_frame
from minivae.train import epoch, evaluate

rng = np.random.default_rng(0)           # draws weights, the order, the noise
data = load_fashion_mnist()
vae = conv_vae(rng=rng)                  # each image becomes two numbers
adam = Adam(vae.params, learning_rate=1e-3)

batches = epoch(vae, data.train_images, 32, rng)
for x, eps in tqdm(batches, total=1875, unit=" batches"):
    loss, grads = vae.loss_and_grads(x, eps)        # loss: minus the ELBO
    adam.step(grads)

eps = vae.noise(len(data.test_images), rng)
reconstruction, kl = evaluate(vae, data.test_images, eps)
print(f"test ELBO {reconstruction - kl:.1f} nats per image: reconstruction "
      f"{reconstruction:.1f} minus {kl:.1f} for the codes (KL)")

path = Path("runs/first_vae/landscape.png")
path.parent.mkdir(parents=True, exist_ok=True)
save_frame(path, draw_landscape(vae, "Clothes, decoded from a plane of codes"))
print(f"Look at {path}: from cell to cell, clothes change into each other.")
