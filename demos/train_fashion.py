"""Train a VAE on Fashion-MNIST, and watch a landscape of clothes grow.

    python demos/train_fashion.py              the tutorial's run, 10 epochs
    python demos/train_fashion.py --quick      a recognisable one, sooner
    python demos/train_fashion.py --resume     go on where a run was stopped

The pictures appear in runs/fashion (or runs/fashion_quick) while it trains:
open grid_final.png. demos/train_mnist.py does the same with digits.
"""
import argparse
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
from tqdm import tqdm

from minivae import Adam, choose_device, conv_vae
from minivae.backend import move
from minivae.data import load_fashion_mnist
from minivae.extras.checkpoint import (Progress, Stop, circumstances, load,
                                       restore_run, save_run)
from minivae.extras.command_line import above_0, at_least, run
from minivae.extras.workers import Workers, cores
from minivae.plots import (draw_landscape, save_binarization, save_curves,
                           save_frame, save_gif, save_reconstructions,
                           save_samples, save_scatter)
from minivae.train import (evaluate, save_model, summary, train_step,
                           write_log)

SNAPSHOT_EVERY = 75         # batches of the first epoch, when most happens
AT_ONCE = 500               # test images that the workers share
FIXED = "title", "seed", "limit", "batch_size", "latent_dim"
FREE = "epochs", "learning_rate", "beta", "warmup"   # a resumed run may change


def main(args):
    run = prepare(args)
    print_header(run)
    status = 0
    with Stop() as stop:
        try:
            train(run, stop)
        except KeyboardInterrupt:
            status, reason = 130, stop.asked
        except (FloatingPointError, RuntimeError) as error:
            status, reason = 2, error            # no finite loss, or no worker
        if run.team is not run.vae:
            run.team.close()
        if status:
            run.team = run.vae
            print_stop(run, reason)
            take_snapshot(run, f"stopped in epoch {run.progress.epoch}")
            save_all(run)
    print_files(run)
    return status


def train(run, stop):
    args, rng, adam, progress = run.args, run.rng, run.adam, run.progress
    start = time.perf_counter() - progress.seconds
    if not run.frames:
        take_snapshot(run, "before training")
    for epoch in range(progress.epoch, args.epochs + 1):
        with progress_bar(run) as bar:
            for x in progress.batches(run.train_images, args.batch_size, rng):
                eps = run.vae.noise(len(x), rng)
                beta = args.beta * min(1, (adam.t + 1) / (args.warmup + 1))
                loss = float(train_step(run.team, adam, x, eps, beta))

                progress.batch += 1
                progress.sum_of_losses += loss * len(x)
                progress.seconds = time.perf_counter() - start
                bar.set_postfix_str(f"loss {loss:.1f}", refresh=False)
                bar.update(len(x))
                if epoch == 1 and (progress.batch - 1) % SNAPSHOT_EVERY == 0:
                    take_snapshot(
                        run, f"epoch 1, after batch {progress.batch:,}")
                if stop.asked or adam.t % args.checkpoint_every == 0:
                    save_checkpoint(run)
                if stop.asked:
                    raise KeyboardInterrupt
        score(run, start)
        if epoch > 1 or epoch == args.epochs:
            take_snapshot(run, f"after epoch {epoch}")
        save_all(run)
        progress.next_epoch()
        save_checkpoint(run)


def score(run, start):
    args, progress = run.args, run.progress
    reconstruction, kl = evaluate(run.team, run.test_images, run.test_eps,
                                  100 if run.team is run.vae else AT_ONCE)
    progress.seconds = time.perf_counter() - start
    progress.log.append({
        "epoch": progress.epoch, "step": run.adam.t,
        "train_loss": progress.sum_of_losses / len(run.train_images),
        "test_elbo": reconstruction - kl, "seconds": progress.seconds})
    print_epoch(args, progress.log, reconstruction, kl)


# ---- before and after ------------------------------------------------------

def prepare(args):
    """Return all that a run has, by name."""
    xp, device = choose_device(args.device)
    if xp is not np:
        args.workers = 1
    data = load_data(args)
    image_shape = data.train_images.shape[1:]
    args.out.mkdir(parents=True, exist_ok=True)
    save_binarization(args.out / "binarization.png", data)

    rng = np.random.default_rng(args.seed)      # all that training draws
    vae = conv_vae(image_shape, args.latent_dim, rng=rng).to(xp)
    adam = Adam(vae.params, args.learning_rate)
    run = SimpleNamespace(
        args=args, device=device, data=data, rng=rng, vae=vae, adam=adam,
        train_images=move(data.train_images[:args.limit], xp),
        test_images=move(data.test_images, xp),
        test_eps=vae.noise(len(data.test_images), rng),     # for all epochs
        circumstances=circumstances(args.workers, device),
        progress=Progress(), frames=[], differences=[])
    if args.resume:
        resume(run)
    run.team = vae                          # or vae, on several cores
    if args.workers > 1:
        run.team = Workers(vae, image_shape, args.workers,
                           max(args.batch_size, AT_ONCE))
    return run


def load_data(args):
    data = args.load()
    if args.limit > len(data.train_images):
        raise ValueError(f"--limit is {args.limit}, but there are only "
                         f"{len(data.train_images)} training images")
    if args.batch_size > args.limit:
        raise ValueError(f"--batch-size is {args.batch_size}, but there are "
                         f"only {args.limit} images to train on")
    return data


def resume(run):
    args = run.args
    run.progress, run.frames, before = restore_run(checkpoint(args), run.vae,
                                                   run.adam, run.rng)
    if run.progress.epoch > args.epochs:
        raise ValueError(f"the run in {args.out} has had its {args.epochs} "
                         f"epochs; give it more with --epochs")
    now = run.circumstances | {name: getattr(args, name) for name in FREE}
    run.differences = [
        f"{name} was {old} and is {now[name]}" for name, old in (
            before["circumstances"] | before["settings"]).items()
        if name in now and name != "epochs" and now[name] != old]


def checkpoint(args):
    return args.out / "checkpoint.npz"


def save_checkpoint(run):
    args = run.args
    save_run(checkpoint(args), run.vae, run.adam, run.rng, run.progress,
             run.frames, circumstances=run.circumstances,
             settings={name: getattr(args, name) for name in FIXED + FREE})


def take_snapshot(run, title):
    run.frames.append(draw_landscape(run.team, title))
    save_frame(run.args.out / "grid_final.png", run.frames[-1])


def save_all(run):
    out, vae, data, log = run.args.out, run.vae, run.data, run.progress.log
    write_log(out / "log.csv", log)
    save_model(out / "model.npz", vae, data.test_images.shape[1:])
    if log:
        save_curves(out / "curves.png", log)
    save_gif(out / "grid.gif", run.frames)
    save_reconstructions(out / "reconstructions.png", vae,
                         data.test_images[data.grey_index[::10]],
                         data.class_names)
    save_samples(out / "samples.png", vae,
                 np.random.default_rng(run.args.seed))
    save_scatter(out / "latent_scatter.png", vae, data.test_images,
                 data.test_labels, data.class_names)


# ---- what it prints ---------------------------------------------------------

def print_header(run):
    args, progress = run.args, run.progress
    n_batches = -(-args.limit // args.batch_size)
    weighted = args.beta != 1 or args.warmup
    weight = f", beta {args.beta:g} after {args.warmup} batches" * weighted
    print(f"""\
A convolutional VAE on binarized {args.title}

device    {run.device}
data      {args.limit:,} training and {len(run.test_images):,} test images
training  {args.epochs} x {n_batches:,} batches of {args.batch_size}, \
learning rate {args.learning_rate:g}, seed {args.seed}, \
{args.workers} worker{'s' * (args.workers > 1)}{weight}
pictures  {args.out}""")
    if args.resume:
        print(f"resumed   in epoch {progress.epoch}, after "
              f"{progress.batch:,} of its batches; step {run.adam.t:,}")
    for difference in run.differences:
        print(f"note      {difference}: what follows may differ from an "
              "uninterrupted run")
    if checkpoint(args).exists() and not args.resume:
        print(f"note      {args.out} has a checkpoint, which this run "
              "replaces; --resume would go on with it")
    print(f"""
{summary(run.vae, run.data.test_images.shape[1:])}

The ELBO, in nats per image, is how well images are reconstructed (their
log-probability) minus what their codes cost (the KL). Higher is better. The
loss is minus the ELBO{", with the KL weighted" if weighted else ""}.
""")


def progress_bar(run):
    # disable=None: none where the output goes into a file
    args, progress = run.args, run.progress
    return tqdm(total=args.limit, initial=progress.batch * args.batch_size,
                desc=f"epoch {progress.epoch}/{args.epochs}", unit=" images",
                leave=False, unit_scale=True, disable=None,
                dynamic_ncols=True)


def print_epoch(args, log, reconstruction, kl):
    row, before = log[-1], log[-2]["seconds"] if len(log) > 1 else 0
    print(f"epoch {row['epoch']:2}/{args.epochs}  "
          f"train loss {row['train_loss']:.1f}  "
          f"test ELBO {row['test_elbo']:.1f} = {reconstruction:.1f} "
          f"reconstruction - {kl:.1f} KL  ({row['seconds'] - before:.0f} s)")


def print_stop(run, reason):
    print(f"""
Stopped in epoch {run.progress.epoch}, after {run.progress.batch:,} of its \
batches and step {run.adam.t:,}: {reason}.
Saving the model and the pictures. To go on from the last checkpoint, run the
same command with --resume.""")


def print_files(run):
    print(f"""
In {run.args.out}:
  grid_final.png       the landscape: what each place of the plane decodes to
  grid.gif             how it grew, in {len(run.frames)} pictures
  reconstructions.png  test images, and what their codes decode to
  samples.png          what nobody ever made: codes drawn from the prior
  latent_scatter.png   where the test images lie in the plane, by class
  curves.png           the ELBO, after the first epoch; log.csv has the numbers
  binarization.png     what it was trained on: grey images made black and white
  model.npz            the parameters, for minivae.train.load_model
  checkpoint.npz       all that --resume needs

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
    add("--checkpoint-every", type=at_least(1), default=500, metavar="N",
        help="batches between two checkpoints; there is also one after every "
             "epoch")
    add("--resume", action="store_true",
        help="go on with the run in --out from its last checkpoint, with its "
             "settings; only the number of epochs should be changed")
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
    if args.resume:
        parser.set_defaults(**resumed_settings(args))
        args = parser.parse_args()
        check_settings(args)
    if args.workers is None:
        args.workers = max(1, min(cores(), args.batch_size // 8))
    return args


def resumed_settings(args):
    if not checkpoint(args).exists():
        raise ValueError(f"there is no checkpoint in {args.out}; start a run "
                         "without --resume, or name its folder with --out")
    _, state = load(checkpoint(args))
    return {"saved": state["settings"],
            **{name: state["settings"][name] for name in FIXED[1:] + FREE}}


def check_settings(args):
    for name in FIXED:
        if getattr(args, name) != args.saved[name]:
            raise ValueError(
                f"{name.replace('_', '-')} is {getattr(args, name)}, but the "
                f"run in {args.out} has {args.saved[name]}; it can only be "
                "resumed with that")


if __name__ == "__main__":
    run(main, parse_arguments)
