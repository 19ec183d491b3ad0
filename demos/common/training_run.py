"""All that a training demo has besides its loop: cores, pictures, resuming.

The loop is in train_fashion.py; here is what it calls, in that order.
"""
import contextlib
import time
from argparse import Namespace
from collections.abc import Iterator

import numpy as np

from minivae import VAE, Adam, choose_device, save_model
from minivae.backend import Array, move
from minivae.extras.figures.codes import save_scatter
from minivae.extras.figures.curves import save_curves
from minivae.extras.figures.frames import from_png, to_png
from minivae.extras.figures.rows import (save_binarization,
                                         save_reconstructions, save_samples)
from minivae.extras.figures.gif import save_gif
from minivae.extras.gpu.recorded import Recorded
from minivae.extras.parallel.distributed import (Distributed, check_alike,
                                                 on_rank_0)
from minivae.extras.parallel.workers import Workers
from minivae.extras.runs.checkpoint import (Progress, Stop, load, platform_of,
                                            restore_run, save_run)
from minivae.extras.runs.diagnosis import check_finite, diagnosis
from minivae.extras.runs.log import write_log
from minivae.files import write_file
from minivae.plots import draw_landscape
from minivae.train import epoch

from common.report import (print_epoch, print_files, print_header, print_stop,
                           progress_bar)
from common.training_options import (check_run, differences, load_images,
                                     plan_workers, settings_of)

SNAPSHOT_EVERY = 75         # batches of the first epoch, when most happens
SNAPSHOTS = 25              # at most, of the later epochs
SHOW_EVERY = 10             # batches: each look at the loss waits for a GPU
SAVE_EVERY = 5              # seconds: on a GPU an epoch takes one or two
AT_ONCE = 100               # test images that one process evaluates at once


class Run:
    """A run of training_options' args: its images, its files, its progress.

    model is the VAE, or what shares its work among cores and machines.
    """

    def __init__(self, args: Namespace):
        self.args, self.status = args, 0
        self.xp, self.device = choose_device(args.device)
        self.notes = plan_workers(args, self.xp)
        self.data, self.title, remarks = load_images(args)
        self.notes += remarks
        self.image_shape = self.data.train_images.shape[1:]
        check_run(args, self.image_shape)
        self.train_images = move(self.data.train_images[:args.limit], self.xp)
        self.test_images = move(self.data.test_images, self.xp)
        self.at_once = AT_ONCE * args.workers * args.ranks
        self.progress, self.frames = Progress(), []
        self.saved = -np.inf               # when pictures were saved last
        self.stop, self.is_rank_0 = Stop(), True

    @contextlib.contextmanager
    def training(self, vae: VAE, adam: Adam,
                 rng: np.random.Generator) -> Iterator[None]:
        """Begin, or go on where a run was stopped; end with all pictures.

        After Ctrl-C, or an error in the loop, status says so.
        """
        self.model, self.vae, self.adam, self.rng = vae, vae, adam, rng
        self.test_eps = vae.noise(len(self.test_images), rng)  # for all epochs
        self._resume_or_begin()
        self._share()
        print_header(self)
        self.start = time.perf_counter() - self.progress.seconds
        reason: object = None
        with self.stop:
            try:
                if not self.frames:
                    self._snapshot("before training")
                    self._checkpoint()      # of this run, not of one before it
                yield
            except KeyboardInterrupt:
                self.status, reason = 130, self.stop.asked
            except (FloatingPointError, RuntimeError) as error:
                self.status, reason = 2, self._explained(error)
            finally:
                if self.args.workers > 1:
                    self.workers.close()
            self.model = vae
            if self.is_rank_0:
                if self.status:
                    print_stop(self, reason)
                    self._save_stopped()
                save_gif(self.args.out / "grid.gif",
                         [from_png(frame) for frame in self.frames])
        print_files(self)

    def epochs(self) -> range:
        """Return the epochs that are left."""
        return range(self.progress.epoch, self.args.epochs + 1)

    def batches(self) -> Iterator[tuple[Array, Array]]:
        """Yield what is left of an epoch's batches (x, eps), with a bar."""
        if self.args.distributed:
            whole = self.model.epoch(self.train_images, self.args.batch_size,
                                     self.rng)
        else:
            whole = epoch(self.vae, self.train_images, self.args.batch_size,
                          self.rng)
        with progress_bar(self) as self.bar:
            for x, eps in self.progress.rest(whole, self.rng):
                self.batch = x, eps
                yield x, eps

    def beta(self) -> float:
        """Return the KL's weight, which grows to args.beta."""
        return self.args.beta * min(
            1, (self.adam.t + 1) / (self.args.warmup + 1))

    def learning_rate(self) -> float:
        """Return Adam's rate for the next step; with --decay, it falls."""
        args = self.args
        steps = args.epochs * -(-args.limit // args.batch_size)
        return args.learning_rate * (1 - args.decay * self.adam.t / steps)

    def after_step(self, loss: Array) -> None:
        """Count a step; save a snapshot or a checkpoint if it is time for one.

        Raises KeyboardInterrupt if the run is asked to stop.
        """
        args, progress, step = self.args, self.progress, self.adam.t
        size = min(args.batch_size,               # of all ranks' shares
                   args.limit - progress.batch * args.batch_size)
        progress.batch += 1
        progress.sum_of_losses += loss * size
        progress.seconds = time.perf_counter() - self.start
        self.bar.update(size)
        if step % SHOW_EVERY == 0:
            check_finite(self.adam)
            self.bar.set_postfix_str(f"loss {float(loss):.1f}", refresh=False)
        if progress.epoch == 1 and (progress.batch - 1) % SNAPSHOT_EVERY == 0:
            self._snapshot(f"epoch 1, after batch {progress.batch:,}")
        if self.stop.asked or step % args.checkpoint_every == 0:
            self._checkpoint()
        if self.stop.asked:
            raise KeyboardInterrupt

    def after_epoch(self, reconstruction: float, kl: float) -> None:
        """Log an epoch's test ELBO; save pictures if it is time for them."""
        progress, last = self.progress, self.args.epochs
        check_finite(self.adam)
        progress.seconds = time.perf_counter() - self.start
        progress.log.append({
            "epoch": progress.epoch, "step": self.adam.t, "train_loss":
            float(progress.sum_of_losses) / len(self.train_images),
            "test_elbo": reconstruction - kl, "seconds": progress.seconds})
        print_epoch(self, reconstruction, kl)
        if progress.epoch in (*range(0, last, -(-last // SNAPSHOTS)), last):
            if progress.epoch > 1 or last == 1:
                self._snapshot(f"after epoch {progress.epoch}")
            now = time.perf_counter()
            if progress.epoch == last or now - self.saved > SAVE_EVERY:
                self._save_all()
                self.saved = now
        progress.next_epoch()
        self._checkpoint()

    # ---- the beginning -----------------------------------------------------

    def _resume_or_begin(self):
        args = self.args
        self.settings = settings_of(args, self.data)
        self.circumstances = platform_of(args.ranks, args.workers,
                                         self.device)
        if not args.resume:
            if self._path("checkpoint.npz").exists():
                self.notes.append(
                    f"{args.out} has a checkpoint, which this run replaces; "
                    "--resume would go on with it")
            return
        arrays, before = on_rank_0(
            args.comm, lambda: load(self._path("checkpoint.npz")))
        self.notes += differences(args.out, self.settings | self.circumstances,
                                  before["settings"] | before["circumstances"])
        self.progress, self.frames = restore_run(arrays, before, self.vae,
                                                 self.adam, self.rng)
        if self.progress.epoch > args.epochs:
            raise ValueError(f"the run in {args.out} has done its epochs; "
                             f"give it more than {args.epochs} with --epochs")

    def _share(self):
        args = self.args
        if args.workers > 1:                  # the same vae, on several cores
            self.model = self.workers = Workers(
                self.vae, self.image_shape, args.workers,
                max(args.batch_size, AT_ONCE * args.workers))
        elif self.xp is not np and not args.distributed:
            self.model = Recorded(self.vae)
        if args.distributed:                  # and on several machines
            check_alike(args.comm, self.settings)
            self.model = Distributed(self.model, args.comm, 32 * args.workers)
            self.stop, self.is_rank_0 = self.model.stop, args.comm.rank == 0
        if self.is_rank_0 and args.likelihood == "bernoulli":
            save_binarization(self._path("binarization.png"), self.data)

    def _explained(self, error):
        if isinstance(error, FloatingPointError) and self.xp is np:
            return diagnosis(error, self.vae, *self.batch)
        return error

    # ---- files -------------------------------------------------------------

    def _path(self, name):
        return self.args.out / name

    def _checkpoint(self):
        if self.is_rank_0:
            save_run(self._path("checkpoint.npz"), self.vae, self.adam,
                     self.rng, self.progress, self.frames,
                     circumstances=self.circumstances, settings=self.settings)

    def _snapshot(self, title):
        if self.is_rank_0:
            self.frames.append(to_png(draw_landscape(self.model, title),
                                      title))
            write_file(self._path("grid_final.png"), self.frames[-1])

    def _save_all(self):
        if not self.is_rank_0:
            return
        vae, data, log = self.vae, self.data, self.progress.log
        write_log(self._path("log.csv"), log)
        save_model(self._path("model.npz"), vae, self.image_shape)
        if log:
            save_curves(self._path("curves.png"), log)
        else:                                         # of a run before this
            self._path("curves.png").unlink(missing_ok=True)
        examples = data.grey_index[::10]                 # one of each class
        save_reconstructions(self._path("reconstructions.png"), vae,
                             data.test_images[examples], data.names(examples))
        save_samples(self._path("samples.png"), vae,
                     np.random.default_rng(self.args.seed))
        save_scatter(self._path("latent_scatter.png"), vae, data.test_images,
                     data.test_labels, data.class_names)

    def _save_stopped(self):
        try:
            check_finite(self.adam)
        except FloatingPointError:    # on a GPU it is seen late: what was
            return                    # saved before is the better model
        self._snapshot(f"stopped in epoch {self.progress.epoch}")
        self._save_all()
