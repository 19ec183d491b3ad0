"""How many machines are worth it? A model of a step, measured, and its limits.

    mpiexec -n 2 python demos/scaling.py

A training step on R ranks, each with n = B/R images of a batch of B, takes

    step(R, B) = overhead + update*P + image*n                on each rank
                 + 2*log2(R)*latency + 2*(R - 1)/R*bytes/bandwidth

that is, the overhead of Python and the layers, Adam's update of P parameters,
and each image's forward and backward pass; then an all-reduce of the
gradients, which sends every byte about twice, in messages up and down a tree.
(It could overlap with backward. Here it does not, for simplicity: it is one
call per step.)

The first three are measured with one thread for each rank, the last two
between all ranks that mpiexec has started. On one machine these are memory's,
not a network's: --latency and --bandwidth set those of a network. A step
on this many ranks is then measured, too, beside the model's prediction; and
the table shows its predictions for more ranks, for this network and for one
with a hundred times its parameters and its arithmetic. The picture is
runs/scaling/scaling.png.
"""
if __name__ == "__main__":
    import common.ctrl_c     # noqa: F401

import math
import statistics
import time
from typing import NamedTuple

import numpy as np
from matplotlib.figure import Figure
from tqdm import tqdm

from minivae import Adam, conv_vae
from minivae.data import load_fashion_mnist, to_float
from minivae.extras.parallel.distributed import (Distributed, bind_rank,
                                                 communicator, end_together)
from minivae.plots import pixels, save_frame
from minivae.train import train_step

from common.command_line import above_0, parser, run
from common.own_folder import own_folder

RANKS = 1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024
SHOWN = 1, 8, 64, 256, 1024
BATCHES = 32, 1024, 32768
LARGER = 1, 100


class Machine(NamedTuple):
    """What a step is made of: seconds, and bytes a second."""

    overhead: float
    update: float             # per parameter
    image: float
    latency: float
    bandwidth: float

    def step(self, ranks, batch, parameters, larger=1):
        """The seconds of a step; larger scales parameters and arithmetic."""
        share = math.ceil(batch / ranks)
        bytes_ = 4 * larger * parameters
        compute = (self.overhead + self.update * larger * parameters
                   + self.image * larger * share)
        reduce = (2 * math.log2(ranks) * self.latency
                  + 2 * (ranks - 1) / ranks * bytes_ / self.bandwidth)
        return compute + reduce


# ---- measuring -------------------------------------------------------------

def clock(comm, work, times):
    """The median seconds of work(), which all ranks do at the same time."""
    seconds = []
    for _ in range(times + 1):
        comm.Barrier()
        start = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds[1:])


def measure(comm, vae, x, eps, args):
    """Take a step apart."""
    adam = Adam(vae.params)
    _, grads = vae.loss_and_grads(x[:1], eps[:1])
    update = clock(comm, lambda: adam.step(grads), 50)
    counts = 1, 2, 4, 8, 16, 32, 64
    seconds = [clock(comm, lambda: vae.loss_and_grads(x[:n], eps[:n]), 20)
               for n in tqdm(counts, "measuring", leave=False,
                             disable=None if comm.rank == 0 else True)]
    # a line through them, with the same relative error for small and large
    image, overhead = np.polyfit(counts, seconds, 1, w=1 / np.array(seconds))

    def reduce(floats):
        mine, total = np.ones((2, floats), np.float32)
        return clock(comm, lambda: comm.Allreduce(mine, total), 50)
    latency, bandwidth = args.latency, args.bandwidth
    if comm.size > 1:
        small, large = reduce(1), reduce(2 ** 20)
        share = (comm.size - 1) / comm.size
        latency = latency or small / (2 * math.log2(comm.size))
        bandwidth = bandwidth or 2 * share * 2 ** 22 / (large - small)
    P = sum(p.size for p in vae.params.values())
    return Machine(max(overhead, 0), update / P, image, latency or 2e-5,
                   bandwidth or 1.25e9)


def measured_step(comm, vae, images, batch):
    """The seconds of a real step on all ranks."""
    team, adam = Distributed(vae, comm), Adam(vae.params)
    i, n = team.share
    mine = to_float(images[batch * i // n:batch * (i + 1) // n])
    eps = vae.noise(batch, 0)[:len(mine)]
    return clock(comm, lambda: train_step(team, adam, mine, eps),
                 max(3, 640 // batch))


# ---- printing --------------------------------------------------------------

def show(seconds):
    return (f"{1e3 * seconds:.1f} ms" if seconds < 1 else
            f"{seconds:.1f} s")


def print_machine(comm, here, machine):
    print(f"""\
{comm.size} rank{'s' * (comm.size > 1)}, {here} on this machine
  overhead of a step    {1e3 * machine.overhead:8.2f} ms
  Adam, per parameter   {1e9 * machine.update:8.2f} ns
  layers, per image     {1e3 * machine.image:8.2f} ms
  latency per message   {1e6 * machine.latency:8.1f} us
  bandwidth             {machine.bandwidth / 1e9:8.2f} GB/s
""")


def print_predictions(machine, P):
    print(f"{'':14}{'batch':>6}" + "".join(
        f"{f'{R:,} rank' + 's' * (R > 1):>19}" for R in SHOWN) + "   pays to")
    for larger in LARGER:
        for batch in BATCHES:
            alone = machine.step(1, batch, P, larger)
            line = f"{f'network x {larger}':<14}{batch:>6,}"
            for R in SHOWN:
                step = machine.step(R, batch, P, larger)
                line += f"{show(step):>10}{f'x {alone / step:.1f}':>9}"
            pays = max(R for R in RANKS if alone / machine.step(
                R, batch, P, larger) >= R / 2)
            print(f"{line}{pays:>10,}")


def draw(path, machine, P):
    figure = Figure(figsize=(9, 4.6), dpi=100, layout="constrained")
    for ax, larger in zip(figure.subplots(1, 2, sharey=True), LARGER):
        for batch, style in zip(BATCHES, ("o-", "s--", "^:")):
            alone = machine.step(1, batch, P, larger)
            ax.loglog(RANKS, [alone / machine.step(R, batch, P, larger)
                              for R in RANKS], style, label=f"{batch:,}")
        ax.loglog(RANKS, RANKS, "k", linewidth=0.8, label="ideal")
        ax.loglog(RANKS, [R / 2 for R in RANKS], color="0.6", linewidth=0.8,
                  label="half of it")
        ax.set(xlabel="ranks", title=f"network x {larger}: "
               f"{larger * P:,} parameters")
        ax.set_xticks(RANKS[::2], RANKS[::2])
        ax.minorticks_off()
        ax.grid(alpha=0.3)
    figure.axes[0].set_ylabel("times as fast as one rank")
    figure.axes[0].legend(title="images in a batch", fontsize=9)
    save_frame(path, pixels(figure))


@own_folder
def main(args):
    comm = args.comm
    from threadpoolctl import threadpool_limits
    here = bind_rank(comm, np)
    threadpool_limits(1)                    # the same for any number of ranks
    vae = conv_vae(rng=0)
    images = load_fashion_mnist().train_images[:1024]
    x, eps = to_float(images[:64]), vae.noise(64, 0)
    P = sum(p.size for p in vae.params.values())
    machine = measure(comm, vae, x, eps, args)
    steps = {B: measured_step(comm, vae, images, B) for B in BATCHES[:2]}
    if comm.rank:
        return
    print_machine(comm, here, machine)
    for batch, seconds in steps.items():
        model = machine.step(comm.size, batch, P)
        print(f"a step of {batch:>5,} images: {show(seconds):>8} measured, "
              f"{show(model):>8} by the model")
    print("\nA step and its speed-up, by the model; and up to how many ranks "
          "each is at least\nhalf used:\n")
    print_predictions(machine, P)
    draw(args.out / "scaling.png", machine, P)
    print(f"""
Look at {args.out / 'scaling.png'}: a small batch soon leaves each rank so
little that overhead and latency are all there is; larger batches pay, and a
larger network pays until its gradients take as long to send as to compute.""")


def parse_arguments():
    options = parser(__doc__, "runs/scaling")
    options.add_argument("--latency", type=above_0, metavar="SECONDS",
                         help="latency of a message (measured; on one rank "
                         "2e-5)")
    options.add_argument("--bandwidth", type=above_0, metavar="BYTES",
                         help="bytes per second (measured; on one rank "
                         "1.25e9)")
    args = options.parse_args()
    args.comm = communicator()
    return args


if __name__ == "__main__":
    run(main, parse_arguments, end_together)
