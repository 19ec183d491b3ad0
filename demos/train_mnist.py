"""Train a VAE on MNIST, and watch a landscape of digits grow.

    python demos/train_mnist.py              the tutorial's run, 10 epochs
    python demos/train_mnist.py --quick      a recognisable one, sooner

It is demos/train_fashion.py with other images: that is the file to read. The
pictures appear in runs/mnist (or runs/mnist_quick).
"""
if __name__ == "__main__":
    import common.ctrl_c     # noqa: F401

from minivae.data import load_mnist
from minivae.extras.parallel.distributed import end_together

from common.command_line import run
from common.training_options import training_arguments
from train_fashion import main


def parse_arguments():
    return training_arguments("mnist", "MNIST", load_mnist)


if __name__ == "__main__":
    run(main, parse_arguments, end_together)
