"""Train a VAE on Fashion-MNIST, and watch a landscape of clothes grow.

    python demos/train_fashion.py              the tutorial's run, 10 epochs
    python demos/train_fashion.py --quick      a recognisable one, sooner
    python demos/train_fashion.py --resume     go on where a run was stopped

It is the loop of first_vae.py. What surrounds it is in common/training_run.py:
it uses all cores (or machines, or a GPU), reads images of your own, draws
pictures while it trains, keeps a log, and can resume a run that was stopped.

The pictures appear in runs/fashion (or runs/fashion_quick): open
grid_final.png. demos/train_mnist.py does the same with digits.
"""
if __name__ == "__main__":
    import common.ctrl_c     # noqa: F401

import numpy as np

from minivae import Adam, conv_vae
from minivae.data import load_fashion_mnist
from minivae.extras.parallel.distributed import end_together
from minivae.train import evaluate, train_step

from common.command_line import run as run_demo
from common.own_folder import own_folder
from common.training_options import training_arguments
from common.training_run import Run


@own_folder
def main(args):
    run = Run(args)                             # images, a device, progress
    rng = np.random.default_rng(args.seed)      # all that training draws
    vae = conv_vae(run.image_shape, args.latent_dim, rng=rng,
                   likelihood=args.likelihood).to(run.xp)
    adam = Adam(vae.params, args.learning_rate)
    with run.training(vae, adam, rng):
        for _ in run.epochs():
            for x, eps in run.batches():
                adam.learning_rate = run.learning_rate()
                loss = train_step(run.model, adam, x, eps, run.beta())
                run.after_step(loss)
            reconstruction, kl = evaluate(run.model, run.test_images,
                                          run.test_eps, run.at_once)
            run.after_epoch(reconstruction, kl)
    return run.status


def parse_arguments():
    return training_arguments("fashion", "Fashion-MNIST", load_fashion_mnist)


if __name__ == "__main__":
    run_demo(main, parse_arguments, end_together)
