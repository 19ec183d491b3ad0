"""How quick is minivae, and how does its cost grow?

    python demos/benchmark.py             beside the frameworks
    python demos/benchmark.py --growth    as batch, image and network grow
    python demos/benchmark.py --quality   seconds to a test ELBO (10 minutes)
    python demos/benchmark.py --profile   one step, layer by layer; and what
                                          each technique is worth
    python demos/benchmark.py --device gpu     beside them, on a GPU

Compares with whichever of TensorFlow, PyTorch and JAX is installed (pip
install tensorflow torch jax); the same VAE in each of them is in
demos/frameworks. Tables are printed, pictures go to runs/benchmark.
"""
if __name__ == "__main__":
    import common.ctrl_c     # noqa: F401

import argparse
import contextlib
import importlib
import importlib.util
import multiprocessing
import os
import statistics
import sys
import time
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from tqdm import tqdm

from minivae import choose_device, conv_vae
from minivae.data import load_fashion_mnist
from minivae.extras.parallel.memory import (ENVIRONMENT, environment,
                                            keep_freed_memory)
from minivae.extras.parallel.workers import cores

from common.command_line import a_path, at_least, run
from common.growth import grow
from common.measuring import (clock, peak_memory, print_machine, receive, save,
                              start)
from common.own_folder import own_folder
from common.profile import (flop, gpu_ceilings, layer_table, process_table,
                            technique_table, traffic)
from common.quality import compare_quality

FRAMEWORKS = {                         # and their files in demos/frameworks
    "cpu": [("tensorflow", "keras_vae"), ("torch", "torch_vae"),
            ("jax", "jax_vae")],
    "gpu": [("cupy", "minivae_vae.Eager"), ("torch", "torch_vae"),
            ("torch", "torch_vae.Compiled"), ("jax", "jax_vae")]}
BATCH_SIZES = {"cpu": [32, 128, 512], "gpu": [32, 128, 1024, 8192]}
LARGEST = {"cpu": 1024, "gpu": 8192}
SECONDS_A_TURN = 0.5
# Frameworks compile at first use, and record for a GPU at the second
WARM_UP = {"cpu": 1, "gpu": 3}
CHECKED_STEPS = 3


# ---- side by side ----------------------------------------------------------

def compare(args):
    """Time the same work everywhere, in turns: A B C A B C ...

    Each contender lives in a process of its own, and waits while another has
    its turn: so whatever else the machine does affects all of them.
    """
    gpu, names = args.device == "gpu", installed(args.device)
    jobs = [("step", n) for n in args.batch_sizes]
    jobs += [("test ELBO", None), ("landscape", None)]
    if gpu:
        print_gpu()
    else:
        print_machine()
    with contextlib.ExitStack() as at_the_end:
        contenders = get_ready(names, args.device, jobs, at_the_end)
        check_losses(contenders)
        seconds = {(title, job): [] for title, *_ in contenders
                   for job in jobs}
        turns = [(job, *contender) for _ in range(args.rounds) for job in jobs
                 for contender in contenders]
        for job, title, pipe, _ in tqdm(turns, "timing", leave=False,
                                        unit=" turns", disable=None):
            pipe.send(job)
            seconds[title, job] += receive(pipe, title)
            time.sleep(0.05)               # let its threads come to rest
        memory = {}
        for title, pipe, _ in contenders:
            pipe.send("memory")
            memory[title] = receive(pipe, title)
    if gpu:                                # peak memory is that of the CPU
        print_comparison(jobs, seconds, work_of_steps(args.batch_sizes))
    else:
        print_comparison(jobs, seconds, {})
        print_memory(memory)
    draw_comparison(args.out / "comparison.png", jobs, seconds)


def installed(device):
    """Return the files in demos/frameworks whose framework is installed."""
    names = ["minivae_vae"] + [name for framework, name in FRAMEWORKS[device]
                               if importlib.util.find_spec(framework)]
    if len(names) == 1:
        print("No framework is installed, so minivae runs alone; to compare,"
              "\npip install tensorflow torch jax\n")
    return names


def get_ready(names, device, jobs, at_the_end):
    """Start the contenders; return each one's title, pipe and first losses."""
    pipes = [start(contend, name, device, jobs) for name in names]
    for pipe in pipes:
        at_the_end.callback(pipe.close)
    contenders = []
    for name, pipe in zip(tqdm(names, "getting ready", leave=False,
                               disable=None), pipes):
        try:
            title, losses = receive(pipe, name)
        except RuntimeError as error:
            if device == "cpu" or not contenders:
                raise
            tqdm.write(f"Without {name}: {error}")   # installed for a CPU only
            continue
        contenders.append((title, pipe, losses))
    return contenders


def contend(name, device, jobs, pipe):
    """A contender's life: set up, send the first losses, do jobs.

    Whatever compiles does so at the first call of each job: before the race,
    while others do so, too.
    """
    os.environ["JAX_PLATFORMS"] = "cuda" if device == "gpu" else "cpu"
    os.environ["XLA_PYTHON_CLIENT_PREALLOCATE"] = "false"  # leave others some
    sys.path.insert(0, str(Path(__file__).parent / "frameworks"))
    module, _, kind = name.partition(".")
    make = getattr(importlib.import_module(module), kind or "Contender")
    vae, rng = conv_vae(rng=0), np.random.default_rng(0)
    contender = make(vae.params, 1e-4, device)
    data = load_fashion_mnist()
    eps = vae.noise(len(data.test_images), rng)
    codes = eps[:400]
    x = data.train_images[:LARGEST[device]].astype(np.float32)
    losses = [contender.step(x[:32], eps[32 * i:32 * (i + 1)])
              for i in range(CHECKED_STEPS)]
    tasks = {"step": lambda n: contender.step(x[:n], eps[:n]),
             "test ELBO": lambda _: contender.elbo(data.test_images, eps),
             "landscape": lambda _: contender.landscape(codes)}
    for task, n in jobs * WARM_UP[device]:
        tasks[task](n)
    pipe.send((make.NAME, losses))
    while True:
        job = pipe.recv()
        if job == "memory":
            pipe.send(peak_memory())
            continue
        task, n = job
        def work(): return tasks[task](n)
        times = int(SECONDS_A_TURN // clock(work)) + 1
        if device == "gpu" and task == "step":
            pipe.send(contender.time_on_gpu(x[:n], eps[:n], times))
        else:
            pipe.send([clock(work) for _ in range(times)])


def check_losses(contenders):
    """They must compute the same thing, or the race means nothing."""
    (_, _, wanted), *others = contenders
    for title, _, losses in others:
        if not np.allclose(losses, wanted, rtol=1e-4):
            raise RuntimeError(f"{title} computes something else: its losses "
                               f"are {losses}, not {wanted}")
    print("All start from the same parameters. Their losses in the first "
          f"{CHECKED_STEPS} steps agree:\n"
          f"{', '.join(f'{loss:.2f}' for loss in wanted)} nats.\n")


def print_gpu():
    cupy, name = choose_device("gpu")
    product, copy = gpu_ceilings(cupy)
    print(f"""\
{name}, CuPy {cupy.__version__}, NumPy {np.__version__}; a matrix product
reaches {product / 1e12:.1f} TFLOP/s, a copy {copy / 1e9:,.0f} GB/s
""")


def work_of_steps(batch_sizes):
    """Return {job: (its arithmetic, the bytes that it must move)}."""
    vae, image = conv_vae(rng=0), np.zeros((1, 28, 28, 1), np.float32)
    arithmetic = sum(flop(vae, image).values())
    of_params, of_image = traffic(vae, image)
    return {("step", n): (n * arithmetic, of_params + n * of_image)
            for n in batch_sizes}


def describe(job):
    task, n = job
    return {"step": f"step, batch of {n}",
            "test ELBO": "test ELBO, 10,000 images",
            "landscape": "landscape, 400 cells"}[task]


def print_comparison(jobs, seconds, work):
    titles = list(dict.fromkeys(title for title, _ in seconds))
    width = max(map(len, titles)) + 2
    print(f"{'milliseconds':<{width + 2}}  median   minimum    minivae's, "
          "divided by it\n")
    for job in jobs:
        print(describe(job))
        mine = [statistics.median(seconds[titles[0], job]),
                min(seconds[titles[0], job])]
        for title in titles:
            median, least = (statistics.median(seconds[title, job]),
                             min(seconds[title, job]))
            digits = 2 if median < 0.01 else 1
            line = (f"  {title:<{width}}{1e3 * median:8.{digits}f}"
                    f"{1e3 * least:10.{digits}f}    ")
            line += (f"{mine[0] / median:.2f} and {mine[1] / least:.2f}"
                     if title != titles[0] else " " * 13)
            if job in work:
                flops, size = work[job]
                line += (f"  {job[1] / median:10,.0f} images/s"
                         f"{flops / median / 1e12:6.2f} TFLOP/s"
                         f"{size / median / 1e9:6.0f} GB/s")
            print(line.rstrip())
        print()


def print_memory(memory):
    width = max(map(len, memory)) + 2
    print("Peak memory of the process, and with its workers")
    for title, (own, whole) in memory.items():
        print(f"  {title:<{width}}{own / 1e6:6.0f} MB  {whole / 1e6:6.0f} MB")


def draw_comparison(path, jobs, seconds):
    titles = list(dict.fromkeys(title for title, _ in seconds))
    rows = len(titles) * len(jobs)
    figure = Figure(figsize=(8, 0.27 * rows + 0.5 * len(jobs) + 0.5),
                    layout="constrained")
    for ax, job in zip(figure.subplots(len(jobs), squeeze=False)[:, 0], jobs):
        medians = [1e3 * statistics.median(seconds[title, job])
                   for title in titles]
        bars = ax.barh(titles, medians,
                       color=[f"C{i}" for i in range(len(titles))])
        ax.bar_label(bars, [f" {ms:,.0f} ms" if ms > 100 else f" {ms:.1f} ms"
                            for ms in medians])
        ax.set_title(describe(job), fontsize=10, loc="left")
        ax.invert_yaxis()
        ax.set_xticks([])
        ax.margins(x=0.12)
        ax.spines[["top", "right", "bottom"]].set_visible(False)
    save(path, figure)


# ---- layer by layer --------------------------------------------------------

def profile(args):
    """Time one worker's share of a batch: a process with one BLAS thread."""
    images = max(1, args.batch_sizes[0] // cores())
    print(f"One training step on {images} images, as a worker computes it, "
          "on one core\n")
    with environment(ENVIRONMENT):
        pipe = start(send_tables, [technique_table, layer_table], images)
    techniques, layers = receive(pipe, "the profile")
    print(f"{layers}\n{techniques}\n")
    pipe = start(send_tables, [process_table], args.batch_sizes[0])
    print(*receive(pipe, "the profile"))


def send_tables(tables, images, pipe):
    keep_freed_memory()                                   # as workers do
    rng = np.random.default_rng(0)
    vae = conv_vae(rng=rng)
    x = load_fashion_mnist().train_images[:images].astype(np.float32)
    eps = vae.noise(images, rng)
    pipe.send([table(vae, x, eps) for table in tables])


def quality(args):
    """Train with minivae, and with Keras where it is installed."""
    compare_quality([name for name in installed("cpu")
                     if name in ("minivae_vae", "keras_vae")])


def parse_arguments():
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--growth", action="store_true",
                      help="how time and memory grow, for minivae alone")
    what.add_argument("--quality", action="store_true",
                      help="seconds to a test ELBO, beside Keras")
    what.add_argument("--profile", action="store_true",
                      help="each layer's time and speed, with one of "
                           "--batch-sizes")
    add("--device", choices=("cpu", "gpu"), default="cpu",
        help="where to compare (cpu)")
    add("--batch-sizes", type=at_least(1), nargs="+", metavar="N",
        help="images in a step (on a CPU 32 128 512, at most 1024; on a GPU "
             "32 128 1024 8192, at most 8192)")
    add("--rounds", type=at_least(1), metavar="N",
        help="turns for each contender (6)")
    add("--out", type=a_path, default=Path("runs/benchmark"), metavar="DIR",
        help="where the pictures go (runs/benchmark)")
    args = parser.parse_args()
    check_options(parser, args)
    args.rounds = args.rounds or 6
    args.batch_sizes = args.batch_sizes or BATCH_SIZES[args.device]
    return args


def check_options(parser, args):
    """Refuse options that mean nothing together."""
    largest = LARGEST[args.device]
    if max(args.batch_sizes or [0]) > largest:
        parser.error(f"--batch-sizes are at most {largest} on this device")
    alone = args.growth or args.profile or args.quality
    if args.device == "gpu" and alone:
        parser.error("--growth, --profile and --quality measure the CPU; "
                     "leave out --device gpu")
    if args.rounds and alone:
        parser.error("--rounds is for the comparison; leave it out")
    if args.quality and args.batch_sizes:
        parser.error("--quality trains with batches of 32; leave out "
                     "--batch-sizes")
    if args.growth and args.batch_sizes:
        parser.error("--growth has batches of its own; leave out "
                     "--batch-sizes")
    if args.profile and len(args.batch_sizes or []) > 1:
        parser.error("--profile takes one of --batch-sizes only")


@own_folder
def main(args):
    try:
        (grow if args.growth else profile if args.profile
         else quality if args.quality else compare)(args)
    except KeyboardInterrupt:
        for process in multiprocessing.active_children():
            process.terminate()
        raise


if __name__ == "__main__":
    run(main, parse_arguments)
