"""Mistakes that nobody chose: all one-token changes of a fixed set of kinds.

    python tests/mechanical.py                 a random hundred, seed 0
    python tests/mechanical.py --sample 30     fewer
    python tests/mechanical.py minivae/conv    of files with this in their path
    python tests/mechanical.py minivae/*.py    of these files
    python tests/mechanical.py --list          only say what they are

mutants.txt is a list that people wrote. Here a program changes one operator,
constant, argument or statement, anywhere in the package (the explorer's page
and the kernels for a GPU included) and the demos; then the tests of that file
run, as in mutants.py. The table says how many were caught, file by file. A
mutant that survives is a hole in the tests, and the exit status is 1; or it is
equivalent: it computes the same. Those that were judged to be are in
equivalent.txt, each with its reason, and are not chosen again.

Whether a mutant is chosen depends on the seed and on its own line only: so a
change elsewhere does not bring others into the sample.
"""
import argparse
import ast
import functools
import itertools
import re
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import mechanical_text
from mutants import ROOT, TESTS, Mutant, catch_all, sample

TEXTS = ".js", ".cu"       # which ast does not know: see mechanical_text.py
COMPARE = {ast.Lt: "<=", ast.LtE: "<", ast.Gt: ">=", ast.GtE: ">",
           ast.Eq: "!=", ast.NotEq: "==", ast.In: "not in", ast.NotIn: "in",
           ast.Is: "is not", ast.IsNot: "is"}
BINARY = {ast.Add: "-", ast.Sub: "+", ast.Mult: "/", ast.Div: "*",
          ast.FloorDiv: "*", ast.Mod: "//", ast.Pow: "*", ast.BitOr: "&",
          ast.BitAnd: "|"}
# arguments that only say how something looks: nobody tests a line's width
LOOKS = {None, "help", "metavar", "desc", "unit", "leave", "dynamic_ncols",
         "refresh", "fontsize", "linewidth", "linewidths", "alpha", "color",
         "labelpad", "markersize", "capsize", "loc", "frameon", "ncols",
         "layout", "figsize", "dpi", "width_ratios", "height_ratios",
         "markerscale", "wspace", "hspace", "zorder", "bbox_to_anchor"}


class Source:
    """A file's text, with the places that ast speaks of."""

    def __init__(self, file: str, path: Path):
        self.file, self.text = file, path.read_text(encoding="utf-8")
        self.bytes = self.text.encode()
        self.starts = [0, *itertools.accumulate(
            map(len, self.bytes.splitlines(keepends=True)))]

    def start(self, node: ast.AST) -> int:
        return self.starts[node.lineno - 1] + node.col_offset

    def end(self, node: ast.AST) -> int:
        return self.starts[node.end_lineno - 1] + node.end_col_offset

    def of(self, node: ast.AST) -> str:
        return self.bytes[self.start(node):self.end(node)].decode()

    def mutants(self) -> Iterator[Mutant]:
        if self.file.endswith(TEXTS):
            for start, end, new in mechanical_text.changes(self.text):
                line = self.text.count("\n", 0, start) + 1
                start, end = (len(self.text[:at].encode())
                              for at in (start, end))
                yield self.mutant(line, start, end, new)
            return
        for node in relevant(ast.parse(self.text)):
            for start, end, new in changes_of(self, node):
                yield self.mutant(node.lineno, start, end, new)

    def mutant(self, line: int, start: int, end: int, new: str) -> Mutant:
        """The mutant that has new in place of what stands from start to end.

        Its name quotes a line, counted from 1.
        """
        old = self.bytes[start:end].decode()
        text = self.bytes[:start].decode() + new + self.bytes[end:].decode()
        line = self.text.splitlines()[line - 1].strip()
        name = f"{' '.join(old.split())} -> {new.strip()} in {line}"
        return Mutant(self.file, name, {self.text: text},
                      tests_of(self.file))


def changes(source: Source) -> Iterator[Mutant]:
    """Yield every mutant of a file, in the order of its text.

    Each has a name of its own: a line may have the same token more than once.
    """
    seen: Counter[str] = Counter()
    for mutant in source.mutants():
        seen[mutant.name] += 1
        if seen[mutant.name] > 1:
            mutant = mutant._replace(
                name=f"{mutant.name}  (no. {seen[mutant.name]})")
        yield mutant


def relevant(node: ast.AST) -> Iterator[ast.AST]:
    """Yield all nodes but annotations, messages, and what is no code."""
    if isinstance(node, (ast.Import, ast.ImportFrom, ast.Raise)) or (
            isinstance(node, ast.Expr)
            and isinstance(node.value, ast.Constant)) or (
            isinstance(node, ast.keyword) and node.arg
            and node.arg in LOOKS) or (
            isinstance(node, ast.If) and "__name__" in ast.dump(node.test)):
        return
    yield node
    for field, value in ast.iter_fields(node):
        if field in ("annotation", "returns", "decorator_list"):
            continue
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.AST) and not isinstance(
                    node, ast.JoinedStr):
                yield from relevant(child)


def changes_of(source: Source, node: ast.AST) -> Iterator[tuple]:
    """Yield (start, end, what stands there then) for each change of a node.
    """
    def between(left, right, new):
        start, end = source.end(left), source.start(right)
        words = source.bytes[start:end].decode()
        yield start, end, words.replace(words.strip(" ()\n\\"), new)

    if isinstance(node, ast.Compare) and len(node.ops) == 1:
        yield from between(node.left, node.comparators[0],
                           COMPARE[type(node.ops[0])])
    elif isinstance(node, ast.BinOp) and type(node.op) in BINARY:
        text = isinstance(node.left, ast.JoinedStr) or isinstance(
            getattr(node.left, "value", None), str)
        if not text:
            yield from between(node.left, node.right, BINARY[type(node.op)])
    elif isinstance(node, ast.BoolOp):
        new = "or" if isinstance(node.op, ast.And) else "and"
        yield from between(*node.values[:2], new)
    elif isinstance(node, ast.UnaryOp) and isinstance(
            node.op, (ast.Not, ast.USub)):
        word = "not " if isinstance(node.op, ast.Not) else "-"
        yield source.start(node), source.start(node) + len(word), ""
    elif isinstance(node, ast.Constant):
        yield from changes_of_constant(source, node)
    elif isinstance(node, (ast.If, ast.IfExp, ast.While)) and isinstance(
            node.test, (ast.Name, ast.Call, ast.Attribute)):
        test = node.test
        yield source.start(test), source.end(test), f"not {source.of(test)}"
    elif isinstance(node, ast.AugAssign) or (
            isinstance(node, ast.Expr) and isinstance(node.value, ast.Call)):
        yield source.start(node), source.end(node), "pass"
    elif isinstance(node, ast.Call):
        yield from changes_of_call(source, node)


def changes_of_constant(source, node):
    value = node.value
    if isinstance(value, bool):
        yield source.start(node), source.end(node), str(not value)
    elif isinstance(value, int):
        yield source.start(node), source.end(node), str(value + 1)
    elif isinstance(value, float):
        yield source.start(node), source.end(node), str(2 * value or 1.0)


def changes_of_call(source, node):
    args, keywords = node.args, node.keywords
    if len(args) >= 2 and all(isinstance(a, (ast.Name, ast.Attribute))
                              for a in args[:2]) and (
            source.of(args[0]) != source.of(args[1])):
        yield (source.start(args[0]), source.end(args[1]),
               f"{source.of(args[1])}, {source.of(args[0])}")
    parts = sorted([*args, *keywords], key=source.start)
    for before, part in zip(parts, parts[1:]):
        if isinstance(part, ast.keyword) and part.arg not in LOOKS:
            yield source.end(before), source.end(part), ""


# ---- which files, which tests ----------------------------------------------

def equivalent() -> set[str]:
    """Return the mutants that were judged equivalent, without the reasons."""
    text = Path(__file__).with_name("equivalent.txt").read_text("utf-8")
    return {block.splitlines()[0] for block in text.strip().split("\n\n")}


def files() -> Iterator[tuple[str, Path]]:
    """Yield every file of the package and the demos, named as in mutants."""
    for path in sorted([*(ROOT / "minivae").rglob("*.py"),
                        *(path for kind in TEXTS for path in
                          (ROOT / "minivae").rglob(f"*{kind}")),
                        *(ROOT / "demos").rglob("*.py")]):
        if "frameworks" not in path.parts:          # which are not here
            name = path.relative_to(ROOT).as_posix().removesuffix(".py")
            yield name.removeprefix("minivae/"), path


# what neither mutants.py nor a test's name says
MORE = {
    "layers": ["layers", "oracle", "cupy"],
    "conv": ["oracle", "conv", "quick"],
    "checks/networks": ["layers", "vae", "optim"],
    "datasets/embedded": ["data"],
    "datasets/pack": ["data"],
    "demos/common/answers": ["exercises"],
    "demos/common/diagnosis": ["exercises"],
    "demos/common/exercise": ["exercises"],
    "demos/common/grading": ["exercises"],
    "demos/common/notebook": ["notebook"],
    "extras/explorer/paths": ["paths", "explorer"],
    "extras/explorer/window": ["explorer"],
    "extras/figures/frames": ["explorer", "checkpoint"],
    "extras/gpu/kernels.cu": ["recorded"],
    "extras/figures/gif": ["plots"],
    "extras/images/arrays": ["own_data"],
    "extras/images/folders": ["folders", "own_data"],
    "extras/images/labels": ["own_data"],
    "extras/images/own_pictures": ["own_data", "pictures"],
    "extras/images/pictures": ["pictures", "own_data"],
    "extras/runs/log": ["log"],
}


# what only tests with one of these words use
WORDS = {
    "demos/common/command_line": (
        "test_options_that_mean_nothing_are_refused",),
    "demos/common/ctrl_c": ("test_ctrl_c_while_a_demo_is_imported",),
    "demos/common/report": ("quick_run", "finished"),
    "demos/common/training_options": ("quick_run", "train_fashion"),
    "demos/common/training_run": ("quick_run", "finished"),
    "demos/train_fashion": ("quick_run",),
}


def tests_of(file: str) -> list[str]:
    """Return the tests that can notice a mistake in a file."""
    if file.endswith(".js"):
        return naming("in_a_browser")
    found = MORE.get(file) or TESTS.get(file) or naming(
        Path(file).stem, *WORDS.get(file, ()))
    return found or ["demos", "course"]


@functools.cache
def naming(module: str, *words: str) -> list[str]:
    """Return the tests that name a module, what it gives, or one of words.

    All of them in the file that has the module's name.
    """
    found = []
    for file, lines, tree in test_files():
        names = {module, *words}
        names |= {alias.asname or alias.name for node in tree.body
                  if isinstance(node, ast.ImportFrom)
                  and (node.module or "").split(".")[-1] == module
                  for alias in node.names}
        named = re.compile(rf"\b({'|'.join(map(re.escape, names))})\b")
        for node in tree.body:
            if isinstance(node, ast.FunctionDef) and node.name.startswith(
                    "test_"):
                first = min([node.lineno, *(d.lineno
                                            for d in node.decorator_list)])
                if file == module or named.search(
                        "\n".join(lines[first - 1:node.end_lineno])):
                    found.append(f"{file}::{node.name}")
    return found


@functools.cache
def test_files() -> list[tuple[str, list[str], ast.Module]]:
    """Return each file of tests: its name without test_, lines and tree."""
    paths = sorted(Path(__file__).parent.glob("test_*.py"))
    texts = [path.read_text(encoding="utf-8") for path in paths]
    return [(path.stem.removeprefix("test_"), text.splitlines(),
             ast.parse(text)) for path, text in zip(paths, texts)]


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("words", nargs="*", help="only files with one of them")
    parser.add_argument("--sample", type=int, default=100, metavar="N")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--list", action="store_true")
    args = parser.parse_args()
    judged = equivalent()
    every = [m for file, path in files()
             if not args.words or any(word in str(path) for word in args.words)
             for m in changes(Source(file, path))
             if f"{m.file}: {m.name}" not in judged]
    chosen = sorted(sample(every, args.sample, args.seed),
                    key=lambda m: m.file)
    print(f"{len(chosen)} of {len(every)} mutants")
    if args.list:
        print(*(f"{m.file}: {m.name}" for m in chosen), sep="\n")
        return 0
    found, table = catch_all(chosen, lambda m, by: (
        None if by else f"SURVIVED {m.file}: {m.name}")), {}
    for m, by in zip(chosen, found):
        table.setdefault(m.file, []).append(by)
    print(f"\n{'file':<36}{'mutants':>8}{'caught':>8}")
    for file, found in table.items():
        print(f"{file:<36}{len(found):>8}{sum(map(bool, found)):>8}")
    return any(None in found for found in table.values())


if __name__ == "__main__":
    sys.exit(main())
