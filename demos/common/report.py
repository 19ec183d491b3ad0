"""What train_fashion.py and train_mnist.py print; run is a Run."""
from types import SimpleNamespace

import numpy as np
from tqdm import tqdm

from minivae.layers import sublayers
from minivae.vae import VAE

FILES = {
    "grid_final.png": "the landscape: what each point of the plane decodes to",
    "grid.gif": "how it grew, picture by picture",
    "reconstructions.png": "test images, and what their codes decode to",
    "samples.png": "new images: codes drawn from the prior, decoded",
    "latent_scatter.png": "where the test images lie in the plane, by class",
    "curves.png": "the ELBO, epoch by epoch; log.csv has the numbers",
    "binarization.png": "what it was trained on: grey images made black and "
                        "white",
    "model.npz": "the parameters, for minivae.load_model",
    "checkpoint.npz": "all that --resume needs"}

FEW, ENOUGH = 200, 2000        # steps: too few, and enough for a start


def print_header(run: SimpleNamespace) -> None:
    """Say what is trained on what, and what its figures mean."""
    if not run.is_rank_0:
        return
    args, progress = run.args, run.progress
    n_batches = -(-args.limit // args.batch_size)
    steps = args.epochs * n_batches
    notes = run.notes + [
        f"{steps} steps are too few to learn much from; try --epochs "
        f"{-(-ENOUGH // n_batches)} --learning-rate 1e-3"
    ] * (steps < FEW and not args.resume)
    weighted = args.beta != 1 or args.warmup
    weight = f", beta {args.beta:g} after {args.warmup} batches" * weighted
    binary = args.likelihood == "bernoulli"
    print(f"""\
A convolutional VAE on {"binarized " * binary}{run.title}

device    {run.device}
data      {args.limit:,} training and {len(run.test_images):,} test images
training  {args.epochs} x {n_batches:,} batches of {args.batch_size}, \
learning rate {args.learning_rate:g}\
{" falling to 0" * args.decay}, seed {args.seed}, \
{args.workers} worker{'s' * (args.workers > 1)}{weight}
pictures  {args.out}""")
    if args.resume:
        print(f"resumed   in epoch {progress.epoch}, after "
              f"{progress.batch:,} of its batches; step {run.adam.t:,}")
    for note in notes:
        print(f"note      {note}")
    print(f"""
{summary(run.vae, run.data.test_images.shape[1:])}

The ELBO, in nats per image, is how well images are reconstructed (the log-
{"probability" if binary else "density"} of their pixels) minus what their \
codes cost (the KL). Higher is
better. The loss is minus the ELBO{", with the KL weighted" * weighted}.
""")


def progress_bar(run: SimpleNamespace) -> tqdm:
    """Return a bar for an epoch: none where the output goes into a file."""
    args, progress = run.args, run.progress
    return tqdm(total=args.limit, initial=progress.batch * args.batch_size,
                desc=f"epoch {progress.epoch}/{args.epochs}", unit=" images",
                leave=False, unit_scale=True, dynamic_ncols=True,
                disable=None if run.is_rank_0 else True)


def print_epoch(run: SimpleNamespace, reconstruction: float,
                kl: float) -> None:
    """Print a line about the epoch in the log's last row."""
    if not run.is_rank_0:
        return
    *before, row = run.progress.log
    seconds = row["seconds"] - (before[-1]["seconds"] if before else 0)
    estimated = " (from one z per image: near 0, it can fall below)" * (kl < 0)
    print(f"epoch {row['epoch']:2}/{run.args.epochs}  "
          f"train loss {row['train_loss']:.1f}  "
          f"test ELBO {row['test_elbo']:.1f} = {reconstruction:.1f} "
          f"reconstruction - {kl:.1f} KL{estimated}  ({seconds:.0f} s)")


def print_stop(run: SimpleNamespace, reason: object) -> None:
    """Say where and why a run stopped, and how it can go on."""
    change = ("with a lower --learning-rate and"
              if isinstance(reason, FloatingPointError) else "with")
    print(f"""
Stopped in epoch {run.progress.epoch}, after {run.progress.batch:,} of its \
batches and step {run.adam.t:,}: {reason}.
To go on from the last checkpoint, run the
same command {change} --resume.""")


def print_files(run: SimpleNamespace) -> None:
    """Say what is in the run's folder."""
    if not run.is_rank_0:
        return
    print(f"\nIn {run.args.out}:")
    for name, what in FILES.items():
        if (run.args.out / name).exists():
            print(f"  {name:<20} {what}")
    print("\nLook at grid_final.png: from cell to cell, images change into "
          "each other.")


def summary(vae: VAE, image_shape: tuple) -> str:
    """Return a table of the layers, their outputs' shapes and parameters."""
    x = vae.asarray(np.zeros((1, *image_shape)))
    lines = [f"{'layer':<56}{'output':<13}{'parameters':>10}"]
    for name, network in ("encoder", vae.encoder), ("decoder", vae.decoder):
        lines.append(f"{name} of {' x '.join(map(str, x.shape[1:]))}")
        for layer in sublayers(network) or [network]:
            x = layer.forward(x)
            shape = " x ".join(map(str, x.shape[1:]))
            count = sum(p.size for p in layer.params.values())
            lines.append(f"  {layer!r:<54}{shape:<13}{count:>10,}")
        x = x[:, :vae.latent_dim]                # any z (1, D) will do
    vae.forget()
    count = sum(p.size for p in vae.params.values())
    lines.append(f"{'total':<69}{count:>10,}")
    return "\n".join(lines)
