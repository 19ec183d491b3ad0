"""Train a VAE on Fashion-MNIST, and watch a landscape of clothes grow.

    python demos/train_fashion.py              the tutorial's run, 10 epochs
    python demos/train_fashion.py --quick      a recognisable one, sooner
    python demos/train_fashion.py --resume     go on where a run was stopped

The pictures appear in runs/fashion (or runs/fashion_quick) while it trains:
open grid_final.png. demos/train_mnist.py does the same with digits.
"""
if __name__ == "__main__":
    import common.ctrl_c     # noqa: F401

import time
from types import SimpleNamespace

import numpy as np

from minivae import Adam, choose_device, conv_vae, save_model
from minivae.backend import move
from minivae.data import load_fashion_mnist
from minivae.extras.figures.codes import save_scatter
from minivae.extras.figures.curves import save_curves
from minivae.extras.figures.frames import from_png, to_png
from minivae.extras.figures.rows import (save_binarization,
                                         save_reconstructions, save_samples)
from minivae.extras.parallel.distributed import (Distributed, check_alike,
                                                 first, leave)
from minivae.extras.parallel.workers import Workers
from minivae.extras.runs.checkpoint import (Progress, Stop, circumstances,
                                            load, restore_run, save_run)
from minivae.files import write_file
from minivae.plots import draw_landscape, save_gif
from minivae.train import check_finite, evaluate, train_step, write_log

from common.command_line import run
from common.own_folder import own_folder
from common.report import (print_epoch, print_files, print_header, print_stop,
                           progress_bar)
from common.training_options import (check_run, differences, load_images,
                                     settings_of, share_out,
                                     training_arguments)

SNAPSHOT_EVERY = 75         # batches of the first epoch, when most happens
SNAPSHOTS = 25              # at most, of the later epochs
SHOW_EVERY = 10             # batches: each look at the loss waits for a GPU
AT_ONCE = 100               # test images that one process computes


@own_folder
def main(args):
    run = prepare(args)
    print_header(run)
    status = 0
    with run.stop as stop:
        try:
            train(run, stop)
        except KeyboardInterrupt:
            status, reason = 130, stop.asked
        except (FloatingPointError, RuntimeError) as error:
            status, reason = 2, error            # no finite loss, or no worker
        if args.workers > 1:
            run.team.close()
        run.team = run.vae
        if status and run.leads:
            print_stop(run, reason)
            save_stopped(run)
        if run.leads:
            save_gif(args.out / "grid.gif", [from_png(f) for f in run.frames])
    print_files(run)
    return status


def train(run, stop):
    args, rng, adam, progress = run.args, run.rng, run.adam, run.progress
    start = time.perf_counter() - progress.seconds
    every = -(-args.epochs // SNAPSHOTS)
    if not run.frames:
        take_snapshot(run, "before training")
        save_checkpoint(run)            # of this run, not of one before it
    for epoch in range(progress.epoch, args.epochs + 1):
        with progress_bar(run) as bar:
            for x, eps in progress.batches(run.vae, run.train_images,
                                           args.batch_size, rng, run.share):
                beta = args.beta * min(1, (adam.t + 1) / (args.warmup + 1))
                loss = train_step(run.team, adam, x, eps, beta)

                size = min(args.batch_size,           # of all ranks' shares
                           args.limit - progress.batch * args.batch_size)
                progress.batch += 1
                progress.sum_of_losses += loss * size
                progress.seconds = time.perf_counter() - start
                bar.update(size)
                if adam.t % SHOW_EVERY == 0:
                    check_finite(adam)
                    bar.set_postfix_str(f"loss {float(loss):.1f}",
                                        refresh=False)
                if epoch == 1 and (progress.batch - 1) % SNAPSHOT_EVERY == 0:
                    take_snapshot(
                        run, f"epoch 1, after batch {progress.batch:,}")
                if stop.asked or adam.t % args.checkpoint_every == 0:
                    save_checkpoint(run)
                if stop.asked:
                    raise KeyboardInterrupt
        check_finite(adam)
        score(run, start)
        if epoch % every == 0 or epoch == args.epochs:
            if epoch > 1 or epoch == args.epochs:
                take_snapshot(run, f"after epoch {epoch}")
            save_all(run)
        progress.next_epoch()
        save_checkpoint(run)


def score(run, start):
    args, progress = run.args, run.progress
    reconstruction, kl = evaluate(run.team, run.test_images, run.test_eps,
                                  AT_ONCE * args.workers * args.ranks)
    progress.seconds = time.perf_counter() - start
    progress.log.append({
        "epoch": progress.epoch, "step": run.adam.t,
        "train_loss": float(progress.sum_of_losses) / len(run.train_images),
        "test_elbo": reconstruction - kl, "seconds": progress.seconds})
    print_epoch(run, reconstruction, kl)


# ---- before and after ------------------------------------------------------

def prepare(args):
    """Return all that a run has, by name."""
    xp, device = choose_device(args.device)
    notes = share_out(args, xp)
    data, title, remarks = load_images(args)
    image_shape = data.train_images.shape[1:]
    check_run(args, image_shape)

    rng = np.random.default_rng(args.seed)      # all that training draws
    vae = conv_vae(image_shape, args.latent_dim, rng=rng,
                   likelihood=args.likelihood).to(xp)
    adam = Adam(vae.params, args.learning_rate)
    run = SimpleNamespace(
        args=args, device=device, data=data, title=title,
        notes=notes + remarks, rng=rng, vae=vae, adam=adam, team=vae,
        leads=True, share=(0, 1), stop=Stop(),
        train_images=move(data.train_images[:args.limit], xp),
        test_images=move(data.test_images, xp),
        test_eps=vae.noise(len(data.test_images), rng),     # for all epochs
        settings=settings_of(args, data),
        circumstances=circumstances(args.ranks, args.workers, device),
        progress=Progress(), frames=[])
    if args.resume:
        resume(run)
    elif checkpoint(args).exists():
        run.notes.append(f"{args.out} has a checkpoint, which this run "
                         "replaces; --resume would go on with it")
    if args.workers > 1:                    # the same vae, on several cores
        run.team = Workers(vae, image_shape, args.workers,
                           max(args.batch_size, AT_ONCE * args.workers))
    if args.distributed:                    # and on several machines
        check_alike(args.comm, run.settings)
        run.team = Distributed(run.team, args.comm, 32 * args.workers)
        run.share, run.stop = run.team.share, run.team.stop
        run.leads = args.comm.rank == 0
    if run.leads and args.likelihood == "bernoulli":
        save_binarization(args.out / "binarization.png", data)
    return run


def resume(run):
    args = run.args
    arrays, before = first(args.comm, lambda: load(checkpoint(args)))
    run.notes += differences(args.out, run.settings | run.circumstances,
                             before["settings"] | before["circumstances"])
    run.progress, run.frames = restore_run(arrays, before, run.vae, run.adam,
                                           run.rng)
    if run.progress.epoch > args.epochs:
        raise ValueError(f"the run in {args.out} has had its epochs; "
                         f"give it more than {args.epochs} with --epochs")


def checkpoint(args):
    return args.out / "checkpoint.npz"


def save_checkpoint(run):
    args = run.args
    if not run.leads:
        return
    save_run(checkpoint(args), run.vae, run.adam, run.rng, run.progress,
             run.frames, circumstances=run.circumstances,
             settings=run.settings)


def take_snapshot(run, title):
    if not run.leads:
        return
    run.frames.append(to_png(draw_landscape(run.team, title), title))
    write_file(run.args.out / "grid_final.png", run.frames[-1])


def save_all(run):
    if not run.leads:
        return
    out, vae, data, log = run.args.out, run.vae, run.data, run.progress.log
    write_log(out / "log.csv", log)
    save_model(out / "model.npz", vae, data.test_images.shape[1:])
    if log:
        save_curves(out / "curves.png", log)
    else:
        (out / "curves.png").unlink(missing_ok=True)    # of a run before it
    examples = data.grey_index[::10]                     # one of each class
    save_reconstructions(out / "reconstructions.png", vae,
                         data.test_images[examples], data.names(examples))
    save_samples(out / "samples.png", vae,
                 np.random.default_rng(run.args.seed))
    save_scatter(out / "latent_scatter.png", vae, data.test_images,
                 data.test_labels, data.class_names)


def save_stopped(run):
    try:
        check_finite(run.adam)
    except FloatingPointError:        # on a GPU it is seen late: what has been
        return                        # saved before is the better model
    take_snapshot(run, f"stopped in epoch {run.progress.epoch}")
    save_all(run)


def parse_arguments():
    return training_arguments("fashion", "Fashion-MNIST", load_fashion_mnist)


if __name__ == "__main__":
    run(main, parse_arguments, leave)
