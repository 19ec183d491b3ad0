"""Train a VAE on Fashion-MNIST, and watch a landscape of clothes grow.

    python demos/train_fashion.py              the tutorial's run, 10 epochs
    python demos/train_fashion.py --quick      a recognisable one, sooner

The pictures appear in runs/fashion (or runs/fashion_quick) while it trains:
open grid_final.png. demos/train_mnist.py does the same with digits.
"""
import argparse
import signal
import time
from pathlib import Path

import numpy as np
from tqdm import tqdm

from minivae import Adam, choose_device, conv_vae
from minivae.backend import move
from minivae.data import batches, load_fashion_mnist
from minivae.extras.command_line import above_0, at_least, run
from minivae.extras.workers import Workers, cores
from minivae.plots import (draw_landscape, save_binarization, save_curves,
                           save_frame, save_gif, save_reconstructions,
                           save_samples, save_scatter)
from minivae.train import (evaluate, save_model, summary, train_step,
                           write_log)

SNAPSHOT_EVERY = 75         # batches of the first epoch, when most happens
AT_ONCE = 500               # test images that the workers share


def main(args):
    xp, device = choose_device(args.device)
    if xp is not np:
        args.workers = 1
    data = load_data(args)
    train_images = move(data.train_images[:args.limit], xp)
    test_images = move(data.test_images, xp)
    image_shape = data.train_images.shape[1:]
    args.out.mkdir(parents=True, exist_ok=True)
    save_binarization(args.out / "binarization.png", data)

    rng = np.random.default_rng(args.seed)      # all that training draws
    vae = conv_vae(image_shape, args.latent_dim, rng=rng).to(xp)
    adam = Adam(vae.params, args.learning_rate)
    test_eps = vae.noise(len(test_images), rng)      # one draw for all epochs
    print_header(args, device, train_images, test_images,
                 summary(vae, image_shape))

    frames, log, status = [], [], 0
    start = time.perf_counter()
    team = start_workers(args, vae, image_shape)   # vae, on several cores
    take_snapshot(args, team, frames, "before training")
    try:
        for epoch in range(1, args.epochs + 1):
            bar = progress_bar(f"epoch {epoch}/{args.epochs}", train_images)
            sum_of_losses = 0.0
            for batch, x in enumerate(
                    batches(train_images, args.batch_size, rng)):
                eps = vae.noise(len(x), rng)
                beta = args.beta * min(1, (adam.t + 1) / (args.warmup + 1))
                loss = float(train_step(team, adam, x, eps, beta))

                sum_of_losses += loss * len(x)
                bar.set_postfix_str(f"loss {loss:.1f}", refresh=False)
                bar.update(len(x))
                if epoch == 1 and batch % SNAPSHOT_EVERY == 0:
                    take_snapshot(args, team, frames,
                                  f"epoch 1, after batch {batch + 1:,}")
            bar.close()

            reconstruction, kl = evaluate(team, test_images, test_eps,
                                          100 if team is vae else AT_ONCE)
            log.append({"epoch": epoch, "step": adam.t,
                        "train_loss": sum_of_losses / len(train_images),
                        "test_elbo": reconstruction - kl,
                        "seconds": time.perf_counter() - start})
            print_epoch(args, log, reconstruction, kl)
            if epoch > 1 or epoch == args.epochs:
                take_snapshot(args, team, frames, f"after epoch {epoch}")
            save_all(args, vae, data, frames, log)
    except KeyboardInterrupt:
        signal.signal(signal.SIGINT, signal.SIG_IGN)     # let it save now
        status, reason = 130, "Ctrl-C"
    except (FloatingPointError, RuntimeError) as error:
        status, reason = 2, error                # no finite loss, or no worker
    if status:
        bar.close()
        print(f"\nStopped in epoch {epoch}, after step {adam.t:,}: {reason}.\n"
              "Saving the model and the pictures.")
        take_snapshot(args, vae, frames, f"stopped in epoch {epoch}")
        save_all(args, vae, data, frames, log)
    if team is not vae:
        team.close()
    print_files(args, frames)
    return status


def load_data(args):
    data = args.load()
    if args.limit > len(data.train_images):
        raise ValueError(f"--limit is {args.limit}, but there are only "
                         f"{len(data.train_images)} training images")
    if args.batch_size > args.limit:
        raise ValueError(f"--batch-size is {args.batch_size}, but there are "
                         f"only {args.limit} images to train on")
    return data


def start_workers(args, vae, image_shape):
    if args.workers == 1:
        return vae
    return Workers(vae, image_shape, args.workers,
                   max(args.batch_size, AT_ONCE))


def take_snapshot(args, vae, frames, title):
    frames.append(draw_landscape(vae, title))
    save_frame(args.out / "grid_final.png", frames[-1])


def save_all(args, vae, data, frames, log):
    image_shape = data.test_images.shape[1:]
    write_log(args.out / "log.csv", log)
    save_model(args.out / "model.npz", vae, image_shape)
    if log:
        save_curves(args.out / "curves.png", log)
    save_gif(args.out / "grid.gif", frames)
    save_reconstructions(args.out / "reconstructions.png", vae,
                         data.test_images[data.grey_index[::10]],
                         data.class_names)
    save_samples(args.out / "samples.png", vae,
                 np.random.default_rng(args.seed))
    save_scatter(args.out / "latent_scatter.png", vae, data.test_images,
                 data.test_labels, data.class_names)


# ---- what it prints ---------------------------------------------------------

def print_header(args, device, train_images, test_images, table):
    n_batches = -(-len(train_images) // args.batch_size)
    weighted = args.beta != 1 or args.warmup
    weight = f", beta {args.beta:g} after {args.warmup} batches" * weighted
    print(f"""\
A convolutional VAE on binarized {args.title}

device    {device}
data      {len(train_images):,} training and {len(test_images):,} test images
training  {args.epochs} x {n_batches:,} batches of {args.batch_size}, \
learning rate {args.learning_rate:g}, seed {args.seed}, \
{args.workers} worker{'s' * (args.workers > 1)}{weight}
pictures  {args.out}

{table}

The ELBO, in nats per image, is how well images are reconstructed (their
log-probability) minus what their codes cost (the KL). Higher is better. The
loss is minus the ELBO{", with the KL weighted" if weighted else ""}.
""")


def progress_bar(name, images):
    # disable=None: none where the output goes into a file
    return tqdm(total=len(images), desc=name, unit=" images", leave=False,
                unit_scale=True, disable=None, dynamic_ncols=True)


def print_epoch(args, log, reconstruction, kl):
    row, before = log[-1], log[-2]["seconds"] if len(log) > 1 else 0
    print(f"epoch {row['epoch']:2}/{args.epochs}  "
          f"train loss {row['train_loss']:.1f}  "
          f"test ELBO {row['test_elbo']:.1f} = {reconstruction:.1f} "
          f"reconstruction - {kl:.1f} KL  ({row['seconds'] - before:.0f} s)")


def print_files(args, frames):
    print(f"""
In {args.out}:
  grid_final.png       the landscape: what each place of the plane decodes to
  grid.gif             how it grew, in {len(frames)} pictures
  reconstructions.png  test images, and what their codes decode to
  samples.png          what nobody ever made: codes drawn from the prior
  latent_scatter.png   where the test images lie in the plane, by class
  curves.png           the ELBO, after the first epoch; log.csv has the numbers
  binarization.png     what it was trained on: grey images made black and white
  model.npz            the parameters, for minivae.train.load_model

Look at grid_final.png: from cell to cell, images change into each other.""")


# ---- the command line ------------------------------------------------------

def parse_arguments(load=load_fashion_mnist, name="fashion",
                    title="Fashion-MNIST"):
    parser = argparse.ArgumentParser(
        description=f"Train a VAE on {title}, and watch a landscape grow.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.set_defaults(load=load, title=title)
    add = parser.add_argument
    add("--epochs", type=at_least(1), default=10, metavar="N",
        help="passes over the training images")
    add("--batch-size", type=at_least(1), default=32, metavar="N",
        help="images in a step")
    add("--latent-dim", type=at_least(1), default=2, metavar="D",
        help="numbers in a code")
    add("--learning-rate", type=above_0, default=1e-4, metavar="RATE",
        help="Adam's")
    add("--beta", type=above_0, default=1.0, metavar="WEIGHT",
        help="of the KL in the loss; only with 1 that is the ELBO")
    add("--warmup", type=at_least(0), default=0, metavar="N",
        help="batches over which the KL's weight grows from 0")
    add("--seed", type=at_least(0), default=0, metavar="N",
        help="same seed, same run")
    add("--device", choices=("auto", "cpu", "gpu"), default="auto",
        help="where to compute; auto takes a GPU that works")
    add("--workers", type=at_least(1), metavar="N",
        help="processes that share each batch on a CPU (default: as many as "
             "there are cores, for 8 images each)")
    add("--limit", type=at_least(1), default=60000, metavar="N",
        help="train on the first N images only")
    add("--out", type=Path, default=Path("runs", name), metavar="DIR",
        help="where the pictures, the log and the model go")
    add("--quick", action="store_true",
        help="about a minute: --epochs 1 --learning-rate 1e-3 --out "
             f"runs/{name}_quick")
    args = parser.parse_args()
    if args.quick:                 # as defaults: what is given goes first
        parser.set_defaults(epochs=1, learning_rate=1e-3,
                            out=Path(f"runs/{name}_quick"))
        args = parser.parse_args()
    if args.workers is None:
        args.workers = max(1, min(cores(), args.batch_size // 8))
    return args


if __name__ == "__main__":
    run(main, parse_arguments)
