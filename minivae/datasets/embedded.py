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
    "fashion_features": "268020e5384a12a55edf659fe5ed8ef5"
                        "546b12d9d9f9ab390bde0c6e5d00a0b9",
    "mnist_features": "2ac8daf2f8223c0caec3938119d85398"
                      "f3363f4f184d3e7ca622730202f9cbdd",
    # by demos/gan.py
    "fashion_gan": "b2d7588ea6fa4b6c0dcfd860dbd11ca1"
                   "c41f0370c01533018c2bc7cf923cca84",
    "mnist_gan": "b9183b8cf37e7834c5e9c3d5506d7461"
                 "9c0fa93cd5ceeb816fbfce162ab6e6f0",
    # by demos/vq_vae.py, with the seed 0
    "fashion_vqvae": "b7433b23347cf6103ee2da2b80984f4b"
                     "533407f8c2bfbc2afc776028884944ce",
    "mnist_vqvae": "097c605a61dede75cb8bb8603f06915d"
                   "92b94ed2431bf47b52717a2f46292837",
    # by demos/discrete.py and pixelcnn.py
    "fashion_discrete": "24033c4e2b895e75fa5aa0bac69665bc"
                        "4644cda09def0d1025d6bffe33986949",
    "mnist_discrete": "fd2f7cc903153e0aedfa5e84c125ee4f"
                      "61e459a7682729d8f041a8755326ef29",
    "fashion_pixelcnn": "4579a15438f9b3e1dcc64f341956a7b8"
                        "259b7280c431faed4b014092ac1d0cfd",
    "mnist_pixelcnn": "059d1796780636fad1d7fc32b1de6fc0"
                      "291d5fc5019c450e9432bfdd8137aff3"}


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
