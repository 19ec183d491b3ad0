"""The command line of train_fashion.py and train_mnist.py, and their data."""
import argparse
import hashlib
import math
import os
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np

from minivae.data import Dataset, load_fashion_mnist, load_mnist
from minivae.extras.images.download import download
from minivae.extras.images.idx import find_sets
from minivae.extras.images.own_data import OwnImages, load_own
from minivae.extras.parallel.distributed import (bind_rank, communicator,
                                                 on_rank_0)
from minivae.extras.parallel.workers import cores
from minivae.extras.runs.checkpoint import load
from minivae.vae import LIKELIHOODS

from .command_line import a_path, at_least, up_to

# What a resumed run must have in common with the one before; what it may
# change, with a note; and where its images are, which may have moved.
FIXED = ("images", "likelihood", "seed", "limit", "batch_size", "latent_dim")
FREE = "learning_rate", "decay", "beta", "warmup"
SOURCE = "title", "data_dir", "download", "image_size", "epochs"

MOVES = " (about how far a parameter moves in a step)"

EMBEDDED = {"Fashion-MNIST": load_fashion_mnist, "MNIST": load_mnist}


def training_arguments(name: str, title: str, load: Callable[[], Dataset]
                       ) -> argparse.Namespace:
    """Read the command line; a resumed run's settings are its defaults.

    name: its folder in runs/; title: what the images are called; load:
    returns the embedded ones.
    """
    parser = argparse.ArgumentParser(
        description=f"Train a VAE on {title}, and watch a landscape grow.",
        formatter_class=_Defaults)
    parser.set_defaults(load=load, title=title)
    _add_training(parser.add_argument_group("training"))
    _add_data(parser.add_argument_group("images"), title)
    _add_run(parser.add_argument_group("the run"), name)
    args = parser.parse_args()
    if args.quick:                 # as defaults: options given override them
        parser.set_defaults(epochs=1, learning_rate=1e-3,
                            out=Path("runs", f"{name}_quick"))
        args = parser.parse_args()
    if args.scale_batch and not args.distributed:
        raise ValueError("--scale-batch goes with --distributed")
    comm = communicator() if args.distributed else None
    if args.resume:
        parser.set_defaults(**on_rank_0(
            comm, lambda: _resumed_settings(args, comm)))
        args = parser.parse_args()
    if comm and args.scale_batch:
        args.batch_size *= comm.size
    args.comm = comm
    return args


class _Defaults(argparse.ArgumentDefaultsHelpFormatter):
    """Puts "(default: ...)" behind an option's help, if it has one."""

    def _get_help_string(self, action):
        if action.default is None or action.default is False:
            return action.help
        return super()._get_help_string(action)


def _add_training(group):
    add = group.add_argument
    add("--epochs", type=at_least(1), default=10, metavar="N",
        help="passes over the training images")
    add("--batch-size", type=at_least(1), default=32, metavar="N",
        help="images in a step")
    add("--latent-dim", type=at_least(1), default=2, metavar="D",
        help="numbers in a code")
    add("--learning-rate", type=up_to(1, MOVES), default=1e-4, metavar="RATE",
        help="Adam's learning rate: about how far a parameter moves in a "
             "step")
    add("--decay", action="store_true",
        help="let the learning rate fall to 0, linearly, over all epochs; "
             "then it can be higher at first")
    add("--beta", type=up_to(10 ** 6), default=1.0, metavar="WEIGHT",
        help="weight of the KL in the loss; with 1, the loss is minus the "
             "ELBO")
    add("--warmup", type=at_least(0), default=0, metavar="N",
        help="batches over which the KL's weight grows from 0")
    add("--seed", type=at_least(0), default=0, metavar="N",
        help="same seed, same run")


def _add_data(group, title):
    add = group.add_argument
    add("--limit", type=at_least(1), metavar="N",
        help="train on the first N images only (default: all)")
    add("--likelihood", choices=LIKELIHOODS, default="bernoulli",
        help="bernoulli: pixels are made black or white; continuous: grey "
             "values as they are, under a density for them")
    source = group.add_mutually_exclusive_group()
    source.add_argument(
        "--data-dir", type=a_path, metavar="PATH",
        help="images of your own: a folder of PNG or JPEG files (folders in "
             "it are classes) or of IDX files, or an .npy or .npz file")
    add("--image-size", type=_multiple_of_4, metavar="N",
        help="crop and scale images of your own to N x N pixels")
    source.add_argument(
        "--download", action="store_true",
        help=f"fetch the original, grey {title} instead of the black and "
             "white one that ships with minivae")


def _add_run(group, name):
    add = group.add_argument
    add("--device", choices=("auto", "cpu", "gpu"), default="auto",
        help="where to compute; auto uses a GPU if one works")
    add("--workers", type=at_least(1), metavar="N",
        help="processes that share each batch on a CPU (default: one for "
             "each core, with at least 8 images each)")
    add("--distributed", action="store_true",
        help="share each batch with all processes that mpiexec has started")
    add("--scale-batch", action="store_true",
        help="with --distributed: --batch-size is that of each process")
    add("--checkpoint-every", type=at_least(1), default=500, metavar="N",
        help="batches between two checkpoints; there is also one after every "
             "epoch")
    add("--resume", action="store_true",
        help="go on with the run in --out from its last checkpoint, with its "
             "settings; only the number of epochs should be changed")
    add("--out", type=a_path, default=Path("runs", name), metavar="DIR",
        help="where the pictures, the log and the model go")
    add("--quick", action="store_true",
        help="about a minute: --epochs 1 --learning-rate 1e-3 --out "
             f"runs/{name}_quick")


def _multiple_of_4(text):
    size = at_least(8)(text)
    if size % 4:
        raise argparse.ArgumentTypeError(f"{text} is not a multiple of 4")
    return size


# ---- what computes ---------------------------------------------------------

def plan_workers(args: argparse.Namespace, xp: ModuleType) -> list[str]:
    """Settle how many ranks and workers share a batch; return notes.

    Sets args.ranks and args.workers. Raises ValueError for more workers
    than there is work for.
    """
    args.ranks, here, notes = 1, 1, []
    if args.comm is not None:
        args.ranks, here = args.comm.size, bind_rank(args.comm, xp)
        notes.append(f"each batch is shared by {args.ranks} ranks, of which "
                     f"{here} {'is' if here == 1 else 'are'} on this machine"
                     if args.ranks > 1 else "there is one rank only; mpiexec "
                     "-n 4 python ... starts four")
        if args.scale_batch and not args.resume:
            notes.append(
                f"a batch has {args.batch_size} images; its gradient has less "
                "noise, so try a --learning-rate up to sqrt("
                f"{args.ranks}) times as large (Malladi et al. 2022)")
    share, useful = args.batch_size // args.ranks, cores() // here
    if args.workers is None:
        args.workers = max(1, min(useful, share // 8)) if xp is np else 1
    if args.workers > 1 and xp is not np:
        raise ValueError("--workers shares a batch among a CPU's cores; leave "
                         "it out, or compute with --device cpu")
    if args.workers > max(1, share):
        raise ValueError(f"--workers is {args.workers}, but there are only "
                         f"{share} images in a batch; leave it out")
    if args.workers > max(1, useful):
        notes.append(f"{args.workers} workers share {useful} cores; more than "
                     "one for each core makes training slower")
    return notes


# ---- the images ------------------------------------------------------------

def load_images(args: argparse.Namespace) -> OwnImages:
    """Return the images that args ask for; args.limit is a number then.

    Raises ValueError or RuntimeError in one sentence.
    """
    if args.data_dir:
        args.data_dir = Path(os.path.expanduser(args.data_dir))
        _check_out(args)
    if args.data_dir or args.download:
        own = load_own(args.data_dir or download(args.title), args.title,
                       args.likelihood == "bernoulli", args.image_size)
    elif args.image_size:
        raise ValueError("--image-size scales images of your own; name them "
                         "with --data-dir")
    elif args.likelihood == "continuous":
        raise ValueError(f"the {args.title} that ships with minivae is black "
                         "and white; for grey values name the original files "
                         "with --data-dir, or fetch them with --download")
    else:
        own = OwnImages(args.load(), args.title, [])
    count = len(own.data.train_images)
    args.limit = args.limit or count
    if args.limit > count and not args.resume:
        raise ValueError(f"--limit is {args.limit}, but there are only "
                         f"{count} training images")
    if args.batch_size > args.limit:
        raise ValueError(f"--batch-size is {args.batch_size}, but there are "
                         f"only {args.limit} images to train on; give it as "
                         f"--batch-size {min(8, args.limit)}, for example")
    return own


def _check_out(args):
    """Refuse to train on a folder that the run's own pictures go to."""
    out = getattr(args, "out", None)
    if out and args.data_dir.is_dir() and not find_sets(args.data_dir) and (
            out.resolve().is_relative_to(args.data_dir.resolve())):
        raise ValueError(f"--out is {out}, in the folder of --data-dir, so "
                         "the run would train on its own pictures; choose "
                         "another place with --out")


def images_of(settings: dict) -> OwnImages:
    """Return the images of a run, by the settings in its checkpoint."""
    return load_images(argparse.Namespace(
        **settings, load=EMBEDDED[settings["title"]], resume=True))


# ---- what needs the number of images ----------------------------------------

def check_run(args: argparse.Namespace, image_shape: tuple) -> None:
    """Refuse, with ValueError, what makes no sense for these images."""
    steps, pixels = args.epochs * -(-args.limit // args.batch_size), math.prod(
        image_shape)
    if args.warmup > steps:
        raise ValueError(f"--warmup is {args.warmup}, but the run has only "
                         f"{steps} batches; give it fewer, or more --epochs")
    if args.latent_dim > pixels:
        raise ValueError(f"--latent-dim is {args.latent_dim}, but an image is "
                         f"only {pixels} numbers; choose fewer")


# ---- a run's settings, and those of the run that it resumes -----------------

def settings_of(args: argparse.Namespace, data: Dataset) -> dict:
    """Return all settings that a run depends on, as its checkpoint has them.

    The beginning of their SHA-256 stands for the images.
    """
    sha = hashlib.sha256()
    for images in data.train_images, data.test_images:
        sha.update(f"{images.dtype} {images.shape}".encode())
        sha.update(images.data)
    settings = {name: getattr(args, name) for name in
                FIXED[1:] + FREE + SOURCE}
    if args.data_dir:
        settings["data_dir"] = str(args.data_dir.resolve())
    return settings | {"images": sha.hexdigest()[:16]}


def differences(out: Path, now: dict, before: dict) -> list[str]:
    """Say what differs between now and before: what follows may differ, too.

    Both: settings and circumstances, by name. Raises ValueError where the
    run in out cannot be resumed.
    """
    for name in FIXED:
        if now[name] != before[name]:
            raise ValueError(f"{name.replace('_', '-')}: {now[name]}, but the "
                             f"run in {out} has {before[name]}; it can only "
                             "be resumed with that")
    return [f"{name.replace('_', '-')} was {old} and is {now[name]}: what "
            "follows may differ from an uninterrupted run"
            for name, old in before.items()
            if name not in SOURCE and now[name] != old]


def _resumed_settings(args, comm):
    path = args.out / "checkpoint.npz"
    if not path.exists():
        raise ValueError(f"there is no checkpoint in {args.out}; start a run "
                         "without --resume, or name its folder with --out")
    state = load(path)[1]
    settings = dict(state.get("settings", {}))
    if ("circumstances" not in state
            or not settings.keys() >= {*FIXED, *FREE, *SOURCE}):
        raise ValueError(f"{path} lacks settings that a run of this demo has; "
                         "start the run without --resume")
    del settings["images"], settings["title"]
    if args.scale_batch:                       # --batch-size is a rank's then
        settings["batch_size"] = settings["batch_size"] // comm.size
    if args.data_dir or args.download:         # the images have moved
        settings["data_dir"], settings["download"] = None, False
    if settings["data_dir"]:
        settings["data_dir"] = Path(settings["data_dir"])
    return settings
