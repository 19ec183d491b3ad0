"""Reading the embedded data: what is damaged is never trained on."""
import hashlib
import io
from collections.abc import Mapping
from pathlib import Path

import numpy as np

DATASETS = Path(__file__).parent
SHA256 = {                   # of the files: pack.py makes them
    "fashion_mnist": "1d0f6186a429dd84c90784fd762e4fc3"
                     "635dfdd638bbb2bd5a1c9a1edb2d66b9",
    "mnist": "089ea8d031f66edb5309b95206adebda"
             "80f2e8da609f4342fcf86d169a780d78",
    # trained by minivae/beyond/classifier.py
    "fashion_features": "be1ce16bc69f02b638c40008f86b4d2e"
                        "05f6dbf4ed0ec2ead03a212fe2727556",
    "mnist_features": "1f39444665afa9f2cdf4f18e27e03133"
                      "17f60146a7358dce7c790bbfabfc86ac",
    # by demos/gan.py
    "fashion_gan": "da7fc2f33bde4a9be10976694d4a59bf"
                   "d5e6b01b19d719c23d5608950bbed84a",
    "mnist_gan": "665e54224e1b6675b03371221de2a75d"
                 "1fff0404c4ca1568f337b070ccb41dc7",
    # by demos/vq_vae.py, with the seed 0
    "fashion_vqvae": "8c2eda41249842b3deef5021332303eb"
                     "e782b6db6d75c98b927de90bfd708a4e",
    "mnist_vqvae": "0a7b68c7a2a758e9fb4a5529c7a8c008"
                   "9429d73ee29759f769ae63a61f6eb27f",
    # by demos/discrete.py and pixelcnn.py
    "fashion_discrete": "10a1ab0a3333ec13655ef3707fffdc9f"
                        "3c3f2cf589ba0ec33c4183bb1be90d41",
    "mnist_discrete": "2c0bac1fb28249ff093254326b8bb202"
                      "35a260d6693ca92dc6168bc78d202397",
    "fashion_pixelcnn": "984dd9cad208e4c55a2dd9c6c51cfa4b"
                        "e346cfb20dc13671af6cc3fd0a59087c",
    "mnist_pixelcnn": "4c5e0a7363703735627acb4e47a0c5bb"
                      "e43a84aba7127e612a74c8172a71dbe8"}


def read_embedded(name: str) -> Mapping[str, np.ndarray]:
    """Return a set's arrays by name; ValueError if its file is damaged."""
    path = DATASETS / f"{name}.npz"
    try:
        content = path.read_bytes()
        if hashlib.sha256(content).hexdigest() != SHA256[name]:
            raise ValueError("its SHA-256 is wrong")
    except (OSError, ValueError) as error:
        raise ValueError(
            f"the embedded data {path} is missing or damaged ({error}); "
            "restore it with pip install --force-reinstall minivae, or in a "
            "clone with git checkout") from error
    return np.load(io.BytesIO(content))
