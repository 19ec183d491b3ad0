"""What the training demos print."""
from minivae import VAE, Dense, conv_vae

from common.report import summary


def test_summary_names_every_layer_and_counts():
    text = summary(conv_vae(), (28, 28, 1))
    assert "Dense(2304, 4)" in text and "69,989" in text
    assert "13 x 13 x 32" in text and "28 x 28 x 1 " in text
    assert max(map(len, text.splitlines())) < 80
    assert "Dense(2, 4)" in summary(VAE(Dense(4, 4), Dense(2, 4)), (4,))
