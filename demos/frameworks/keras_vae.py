"""The same VAE in Keras on TensorFlow, as in its tutorial: tf.function."""
import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")      # no start-up notes

import numpy as np  # noqa: E402
import tensorflow as tf  # noqa: E402
from tensorflow import keras  # noqa: E402
from tensorflow.keras.layers import (Conv2D, Conv2DTranspose,  # noqa: E402
                                     Dense, Flatten, Reshape)

LOG_2PI = float(np.log(2 * np.pi))


def log_normal_pdf(z, mu, logvar):
    return tf.reduce_sum(-0.5 * ((z - mu) ** 2 * tf.exp(-logvar)
                                 + logvar + LOG_2PI), axis=1)


class Contender:
    """The network with minivae's parameters, which are laid out as Keras'."""

    NAME = f"Keras {keras.__version__} on TensorFlow {tf.__version__}"

    def __init__(self, params: dict, learning_rate: float, device: str):
        self.encoder = keras.Sequential([
            keras.Input((28, 28, 1)),
            Conv2D(32, 3, 2, activation="relu"),
            Conv2D(64, 3, 2, activation="relu"),
            Flatten(),
            Dense(4)])
        self.decoder = keras.Sequential([
            keras.Input((2,)),
            Dense(7 * 7 * 32, activation="relu"),
            Reshape((7, 7, 32)),
            Conv2DTranspose(64, 3, 2, "same", activation="relu"),
            Conv2DTranspose(32, 3, 2, "same", activation="relu"),
            Conv2DTranspose(1, 3, 1, "same")])
        self.variables = (self.encoder.trainable_variables
                          + self.decoder.trainable_variables)
        for variable, p in zip(self.variables, params.values(), strict=True):
            variable.assign(p)
        self.adam = keras.optimizers.Adam(learning_rate)
        self.train = tf.function(self._train)
        self.bound = tf.function(self._elbo)
        self.decode = tf.function(
            lambda z: tf.sigmoid(self.decoder(z, training=False)))

    def _elbo(self, x, eps):
        mu, logvar = tf.split(self.encoder(x), 2, axis=1)
        z = mu + eps * tf.exp(0.5 * logvar)
        cross_entropy = tf.nn.sigmoid_cross_entropy_with_logits(
            logits=self.decoder(z), labels=x)
        return (-tf.reduce_sum(cross_entropy, axis=[1, 2, 3])
                + log_normal_pdf(z, 0.0, 0.0) - log_normal_pdf(z, mu, logvar))

    def _train(self, x, eps):
        with tf.GradientTape() as tape:
            loss = -tf.reduce_mean(self._elbo(x, eps))
        gradients = tape.gradient(loss, self.variables)
        self.adam.apply_gradients(zip(gradients, self.variables))
        return loss

    def step(self, x, eps) -> float:
        return float(self.train(tf.constant(x), tf.constant(eps)))

    def set_rate(self, rate: float) -> None:
        self.adam.learning_rate = rate

    def elbo(self, images, eps) -> float:
        parts = [self.bound(tf.constant(images[i:i + 500].astype("float32")),
                            tf.constant(eps[i:i + 500]))
                 for i in range(0, len(images), 500)]
        return float(tf.reduce_mean(tf.concat(parts, 0)))

    def landscape(self, z):
        return self.decode(tf.constant(z)).numpy()
