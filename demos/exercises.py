"""Exercises that know your mistake: write a part of a VAE, have it graded.

    python demos/exercises.py start            copies them into ./exercises
    python demos/exercises.py start lab --notebooks         as notebooks
    python demos/exercises.py                  lists them, and what is done
    python demos/exercises.py check 7          grades exercise 7
    python demos/exercises.py hint 7 2         gives the second of its hints

Each is a short file with a question and a part left open. Yours are graded
with random numbers: against finite differences or minivae, and against what
typical mistakes would give. So a wrong answer is told what it looks like and
where to look, never the solution.
"""
if __name__ == "__main__":
    import common.ctrl_c     # noqa: F401

import argparse
import ast
import shutil
from pathlib import Path

from common.command_line import a_path, at_least, run
from common.exercise import FILES, SHIPPED, the_exercise
from common.grading import grade
from common.notebook import write_notebook


def title(path: Path) -> str:
    """Return the first line of what an exercise says."""
    return ast.get_docstring(ast.parse(path.read_text("utf-8"))).split(
        "\n")[0]


def their_file(folder: Path, name: str) -> Path:
    """Return where the answer to an exercise is."""
    if not (folder / name).exists():
        raise ValueError(f"there is no {name} in {folder}; copy it from "
                         f"{SHIPPED}, or name another folder with --dir (a "
                         "notebook is graded by the check in its last cell)")
    return folder / name


def show_all(args):
    """Print the list of exercises, and which are done."""
    print(f"Answers in {args.dir}:\n")
    done = 0
    for number, path in enumerate(FILES, 1):
        answer, status = args.dir / path.name, "missing"
        if answer.exists():
            status = grade(the_exercise(number)[1], answer).status
        done += status == "done"
        print(f"{number:>4}  {status:<8} {title(path)}")
    print(f"\n{done} of {len(FILES)} are done. Grade one with "
          "`python demos/exercises.py check N`.")
    if args.dir.resolve() == SHIPPED.resolve():
        print("Copy them into a folder of your own with "
              "`python demos/exercises.py start`.")


def check(args):
    """Grade one exercise; the exit status is 1 unless it is right."""
    shipped, exercise = the_exercise(args.number)
    path = their_file(args.dir, shipped.name)
    print(f"{args.number}. {title(shipped)}\n   {path}\n")
    verdict = grade(exercise, path)
    print(verdict)
    if verdict.status != "done":
        print(f"\nHints: `python demos/exercises.py hint {args.number}`. Read "
              f"{exercise.read}.")
    return int(verdict.status != "done")


def hint(args):
    """Print one of an exercise's hints."""
    print(the_exercise(args.number)[1].hint(args.level))
    if args.level < 3:
        print("More: `python demos/exercises.py hint "
              f"{args.number} {args.level + 1}`")


def start(args):
    """Copy the exercises into a folder of one's own."""
    if args.folder.exists() and (not args.folder.is_dir()
                                 or any(args.folder.iterdir())):
        raise ValueError(f"{args.folder} exists and is not an empty folder; "
                         "nothing is overwritten, so name a new one")
    args.folder.mkdir(parents=True, exist_ok=True)
    if args.notebooks:
        for number in range(1, len(FILES) + 1):
            write_notebook(args.folder, number)
        print(f"{len(FILES)} notebooks are in {args.folder}. Open "
              f"{FILES[0].stem}.ipynb in Jupyter\n(`pip install notebook`, "
              f"`jupyter notebook {args.folder}`), and run its cells in turn.")
        return
    for path in FILES:
        shutil.copyfile(path, args.folder / path.name)
    where = "" if args.folder == Path("exercises") else (
        f" --dir {args.folder}")
    print(f"{len(FILES)} exercises are in {args.folder}. Open "
          f"{FILES[0].name}, write what\nis left open, and grade it with "
          f"`python demos/exercises.py check 1{where}`.")


def main(args):
    if args.dir is None:
        args.dir = Path("exercises")
        if not args.dir.is_dir():
            args.dir = SHIPPED
            print("(There is no folder `exercises` here; these are the files "
                  "that ship.)\n" * (args.does is check), end="")
    if not args.dir.is_dir():
        raise ValueError(f"there is no folder {args.dir}; make it with "
                         f"`python demos/exercises.py start {args.dir}`")
    return args.does(args)


def parse_arguments():
    options = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    folder = {"type": a_path, "metavar": "DIR", "help": "where the answers "
              "are (exercises, if there is such a folder here)"}
    options.add_argument("--dir", **folder, default=None)
    options.set_defaults(does=show_all)
    commands = options.add_subparsers(metavar="command")
    a = commands.add_parser("check", help="grade one exercise")
    a.add_argument("number", type=at_least(1), help="which one")
    a.add_argument("--dir", **folder, default=argparse.SUPPRESS)
    a.set_defaults(does=check)
    b = commands.add_parser("hint", help="get one of three hints")
    b.add_argument("number", type=at_least(1), help="for which exercise")
    b.add_argument("level", type=at_least(1, 3), nargs="?", default=1,
                   help="1, 2 or 3: the last says most (1)")
    b.set_defaults(does=hint)
    c = commands.add_parser("start", help="copy the exercises")
    c.add_argument("folder", type=a_path, nargs="?", metavar="DIR",
                   default=Path("exercises"), help="into (exercises)")
    c.add_argument("--notebooks", action="store_true",
                   help="as Jupyter notebooks, which grade in a cell (needs "
                        "nbformat)")
    c.set_defaults(does=start)
    return options.parse_args()


if __name__ == "__main__":
    run(main, parse_arguments)
