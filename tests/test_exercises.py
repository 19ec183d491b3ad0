"""demos/exercises.py: right answers pass, mistakes are called by name."""
import shutil
import signal
from pathlib import Path

import numpy as np
import pytest

from common import answers
from common.answers import Outcome, attempt
from common.diagnosis import describe
from common.exercise import FILES, SHIPPED, the_exercise
from common.grading import grade, judge
from test_demos import DEMOS, arguments, load

demo = load("exercises.py")
NAMES = [path.stem for path in FILES]
EXERCISES = {path.stem: exercise for path, exercise in map(
    the_exercise, range(1, len(FILES) + 1))}
SOLUTIONS = Path(__file__).parent / "solutions"
OTHERS = sorted(path.stem for path in (SOLUTIONS / "other").glob("*.py"))
ALL_MISTAKES = [(name, mistake) for name, exercise in EXERCISES.items()
                for mistake in exercise.mistakes]


def planted():
    """Read wrong.txt: (exercise, mistake, [(old, new), ...])."""
    for block in (SOLUTIONS / "wrong.txt").read_text("utf-8").split("\n\n"):
        head, *lines = block.strip().split("\n")
        name, mistake = head.split(": ", 1)
        olds, news = (
            [line[2:].replace("\\n", "\n") for line in lines
             if line.startswith(sign)] for sign in "-+")
        yield name, mistake, list(zip(olds, news, strict=True))


PLANTED = list(planted())


def run_demo(monkeypatch, *args):
    return demo.main(arguments(demo, monkeypatch, *args))


# ---- grading ---------------------------------------------------------------

def changed(tmp_path, name, *edits):
    """Grade a solution in which something is written differently."""
    text = (SOLUTIONS / f"{name}.py").read_text("utf-8")
    for old, new in edits:
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    path = tmp_path / f"{name}.py"
    path.write_text(text, "utf-8")
    return grade(EXERCISES[name], path)


@pytest.mark.parametrize("name", NAMES)
def test_every_solution_passes(name):
    exercise = EXERCISES[name]
    verdict = grade(exercise, SOLUTIONS / f"{name}.py")
    assert verdict.status == "done", verdict
    cases = exercise.cases(np.random.default_rng(0))
    numbers = sum(np.size(a) for case in cases
                  for a in exercise.right(**case).values())
    assert str(verdict) == f"Right: {numbers} numbers in {len(cases)} cases" \
        f"{', also in float32' * exercise.single}."


@pytest.mark.parametrize("name", OTHERS)
def test_a_solution_in_another_style_passes(name):
    verdict = grade(EXERCISES[name], SOLUTIONS / "other" / f"{name}.py")
    assert verdict.status == "done", verdict


@pytest.mark.parametrize("name, mistake", ALL_MISTAKES,
                         ids=lambda part: getattr(part, "name", part))
def test_every_mistake_is_recognised(name, mistake):
    exercise = EXERCISES[name]

    def run(**case):
        return {**exercise.right(**case), **mistake.gives(**case)}
    verdict = judge(exercise, run)
    assert verdict.status == "wrong" and verdict.mistakes == [mistake.name]
    assert mistake.look in verdict.sentences[1]
    assert mistake.published == ("published code" in verdict.sentences[0])


@pytest.mark.parametrize("name, mistake, edits", PLANTED,
                         ids=[f"{name}: {m}" for name, m, _ in PLANTED])
def test_a_mistake_in_an_answers_code_is_recognised(name, mistake, edits,
                                                    tmp_path):
    verdict = changed(tmp_path, name, *edits)
    assert mistake in verdict.mistakes or mistake in str(verdict), verdict


def test_a_second_mistake_is_recognised_where_the_first_one_fails(tmp_path):
    verdict = changed(tmp_path, "02_dense", ("dy @ w.T", "dy @ w"),
                      ("dy.sum", "dy.mean"))
    assert verdict.mistakes == [
        "a product with w where its transpose belongs",
        "db as a mean over the batch, where a sum belongs"]


def test_of_two_that_nothing_explains_the_second_is_named_too():
    exercise = EXERCISES["02_dense"]

    def run(**case):
        outputs = exercise.right(**case)
        return outputs | {name: outputs[name] ** 3 for name in ("dx", "db")}
    verdict = judge(exercise, run)
    assert verdict.mistakes == []
    first, *others = verdict.sentences
    assert first.startswith("dx is wrong for x (3, 3), dy (3, 3), w (3, 3)")
    assert others == ["Also wrong: db; perhaps only because of that.",
                      "Right already: y, dw."]


@pytest.mark.parametrize("N, factor, of_the_batch", [
    (2, 2, True), (2, -0.5, True), (3, 3, True), (3, 1 / 3, True),
    (3, 2, False), (1, -1, False)])
def test_a_factor_is_named_and_whether_it_is_that_of_the_batch(
        N, factor, of_the_batch):
    a = np.random.default_rng(0).standard_normal((N, 3))
    sentence = describe("dx", [{"size": 7, "x": a}], [
        Outcome({"dx": factor * a})], [Outcome({"dx": a})], 1e-6)
    assert f"It is {factor:.4g} times the right one everywhere" in sentence
    assert (f"(The batch has {N} rows.)" in sentence) == of_the_batch


@pytest.mark.parametrize("name", NAMES)
def test_what_is_left_open_or_all_zeros_does_not_pass(name):
    exercise = EXERCISES[name]
    verdict = grade(exercise, SHIPPED / f"{name}.py")
    assert verdict.status == "open"
    assert "Still open: it raises NotImplementedError" in str(verdict)

    def zeros(**case):
        return {key: np.zeros_like(a) for key, a in attempt(
            exercise.right, case).outputs.items() if key != "warnings"}
    verdict = judge(exercise, zeros)
    assert verdict.status == "wrong"
    assert verdict.mistakes or "is all zeros" in str(verdict)


@pytest.mark.parametrize("name", NAMES)
def test_an_exercise_is_whole(name):
    exercise = EXERCISES[name]
    assert len(exercise.mistakes) >= 4
    assert len({m.name for m in exercise.mistakes}) == len(exercise.mistakes)
    assert (DEMOS.parent / exercise.read.split(",")[0]).exists()
    assert len(set(exercise.hints)) == 3 and all(exercise.hints)
    case = exercise.cases(np.random.default_rng(0))[0]
    right = attempt(exercise.right, case)
    assert not right.error and not right.changed
    assert right.outputs["warnings"].size == 0
    words = [*exercise.hints, *(m.name + m.look for m in exercise.mistakes),
             demo.title(SHIPPED / f"{name}.py")]
    assert all(map(str.isascii, words))


ONE = SOLUTIONS / "01_tanh.py"


@pytest.mark.parametrize("old, new, sentence", [
    ("return dy * (1", "return (dy * (1",
     "Python cannot read line 13 of it: '(' was never closed."),
    ("import numpy as np", "import numpi as np",
     "It cannot be imported: in line 1, ModuleNotFoundError: No module"),
    ("class Tanh", "class Tan", "01_tanh.py has no Tanh: keep the names"),
    ("y = self.cache\n", "y = self.cash\n", "It fails for x (4, 3), dy (4, "
     "3): in line 12, AttributeError: 'Tanh' object has no attribute 'cash'"),
    ("return dy *", "dy *", "dx is missing, or not an array of numbers"),
    ("return dy *", "return 'dy' or", "dx has shape (), but (4, 3)"),
    ("return dy *", "return [dy, dy[0]] or",
     "It fails for x (4, 3), dy (4, 3): ValueError: setting an array"),
    ("return dy *", "dy *= 2; return dy *", "It changes its input dy"),
    ("(1 - y ** 2)", "(1 - y ** 2) * -3",
     "It is -3 times the right one everywhere"),
    ("(1 - y ** 2)", "(1 - y ** 2) * -len(y)", "(The batch has 4 rows.)"),
    ("(1 - y ** 2)", "(1 - y ** 2) * (dy.ndim == 2)",
     "dx is all zeros for x (2, 3, 2, 1)"),
    ("(1 - y ** 2)", "(1 - y ** 3)", "none of the mistakes known here gives"),
    ("(1 - y ** 2)", "(1 - y ** dy.ndim)", "It is right for x (4, 3), dy"),
    ("return dy * (1 - y ** 2)", "return dy[0]",
     "dx has shape (3,), but (4, 3) was expected"),
    ("(1 - y ** 2)", "(1 - y ** 2) * (y / y - 1) / 0.0",
     "dx has values that are not finite for x (4, 3)"),
    ("(1 - y ** 2)", "(1 - y ** 2) * np.ones(1)", "Right in float64; but in "
     "float32, dx is float64: an array or a NumPy scalar"),
    ("y ** 2)", "y ** 2 + 0 / np.exp(np.float32(1e3)))",
     "NumPy warns of overflow for x (4, 3)"),
])
def test_each_way_to_be_wrong_gets_a_sentence(old, new, sentence, tmp_path):
    path = tmp_path / "01_tanh.py"
    path.write_text(ONE.read_text().replace(old, new))
    verdict = grade(EXERCISES["01_tanh"], path)
    assert verdict.status == "wrong"
    assert sentence in " ".join(verdict.sentences)


# ---- the command -----------------------------------------------------------

def test_a_session(monkeypatch, tmp_path, capsys):
    monkeypatch.chdir(tmp_path)
    assert not run_demo(monkeypatch, "start")
    assert f"{len(NAMES)} exercises are in exercises. Open 01" in (
        capsys.readouterr().out)
    assert run_demo(monkeypatch, "check", 1) == 1
    printed = capsys.readouterr().out
    assert "Still open" in printed and printed.endswith(
        "\n\nHints: `python demos/exercises.py hint 1`. Read "
        f"{EXERCISES['01_tanh'].read}.\n")
    shutil.copy(ONE, "exercises")
    assert run_demo(monkeypatch, "check", 1) == 0
    printed = capsys.readouterr().out
    assert "Right: " in printed and "Hints" not in printed
    assert not run_demo(monkeypatch)
    printed = capsys.readouterr().out
    assert "   1  done     Tanh: a" in printed
    assert "   2  open     Dense: " in printed
    assert f"1 of {len(NAMES)} are done" in printed and printed.isascii()
    assert max(map(len, printed.splitlines())) < 80
    for level in 1, 2, 3:
        assert not run_demo(monkeypatch, "hint", 2, level)
        printed = capsys.readouterr().out
        assert f"Hint {level} of 3: " in printed
        assert ("More: " in printed) == (level < 3) == (
            f"`python demos/exercises.py hint 2 {level + 1}`" in printed)


@pytest.mark.parametrize("args, sentence", [
    (["check", 99], f"there is no exercise 99; they go from 1 to "
     f"{len(NAMES)}"),
    (["hint", 99], "there is no exercise 99"),
    (["check", 1, "--dir", "no"], "there is no folder no; make it with "),
    (["--dir", "no"], "there is no folder no; make it with "),
    (["check", 1, "--dir", "empty"], "there is no 01_tanh.py in empty; copy"),
    (["start", "full"], "full exists and is not an empty folder; nothing is"),
    (["start", "full/file"], "file exists and is not an empty folder")])
def test_bad_input_gets_a_sentence(args, sentence, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    Path("empty").mkdir()
    Path("full").mkdir()
    Path("full/file").touch()
    with pytest.raises(ValueError, match=sentence):
        run_demo(monkeypatch, *args)
    assert list(Path("full").iterdir()) == [Path("full/file")]


@pytest.mark.parametrize("args, sentence", [
    (["check"], "the following arguments are required: number"),
    (["check", 0], "0 is not a whole number of at least 1"),
    (["hint", 1, 4], "4 is not a whole number of at least 1 and at most 3"),
    (["chek", 1], "invalid choice: 'chek'"),
    (["start", ""], "a name was expected, not ''")])
def test_options_that_cannot_be_read_get_a_sentence(args, sentence,
                                                    monkeypatch, capsys):
    with pytest.raises(SystemExit) as end:
        run_demo(monkeypatch, *args)
    assert end.value.code == 2
    assert sentence in capsys.readouterr().err


def test_the_files_are_numbered_and_the_readme_lists_them():
    assert [int(name[:2]) for name in NAMES] == [
        *range(1, len(NAMES) + 1)]
    assert NAMES == sorted(path.stem for path in (
        SHIPPED / "checks").glob("*.py"))
    readme = (DEMOS / "README.md").read_text("utf-8")
    for number, path in enumerate(FILES, 1):
        read = EXERCISES[path.stem].read.split(",")[0]
        assert f"| {number} | {demo.title(path)} | `{read}` |" in readme


@pytest.mark.parametrize("old, sentence", [
    ("y = self.cache = np.tanh(x)",
     "It fails for x (4, 3), dy (4, 3): in line 8"),
    ("import numpy", "It cannot be imported: in line 1")])
def test_an_endless_loop_is_stopped_where_it_is(monkeypatch, tmp_path, old,
                                                sentence):
    monkeypatch.setattr(answers, "LIMIT", 0.2)
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)     # as behind nohup
    text = ONE.read_text("utf-8")
    assert text.count(old) == 1
    path = tmp_path / "01_tanh.py"
    path.write_text(text.replace(old, f"while True: pass; {old}"), "utf-8")
    verdict = grade(EXERCISES["01_tanh"], path)
    assert signal.signal(signal.SIGINT, before) == signal.SIG_IGN   # put back
    assert verdict.status == "wrong"
    assert " ".join(str(verdict).split()).startswith(
        f"{sentence}, TimeoutError: it takes more than 0.2 seconds: perhaps a "
        "loop never ends.")


def test_a_real_ctrl_c_is_heard():
    def run(**case):
        raise KeyboardInterrupt
    with pytest.raises(KeyboardInterrupt):
        attempt(run, {})


def test_nan_is_no_noise(tmp_path):
    verdict = changed(tmp_path, "19_reparameterize", (
        "return mu + np.exp(0.5 * logvar)", "return mu + np.sqrt(logvar)"))
    assert verdict.status == "wrong" and "noise of" not in str(verdict)
    assert "z has values that are not finite" in str(verdict)


@pytest.mark.parametrize("destroys", [
    "self.layers.reverse()", "[p.fill(0) for p in self.params.values()]"])
def test_backward_leaves_the_network_as_it_was(tmp_path, destroys):
    verdict = changed(tmp_path, "05_sequential", (
        "        return dy", f"        {destroys}\n        return dy"))
    assert verdict.status == "wrong" and "the next y is" in str(verdict)


def test_one_number_has_no_factor(tmp_path):
    verdict = changed(tmp_path, "06_glorot", ("math.sqrt(6", "math.sqrt(7"))
    said = " ".join(str(verdict).split())
    assert "smallest is wrong" in said and "times the right one" not in said
    assert "Also wrong: largest, spread; perhaps only because" in said


def test_an_earlier_x_is_x_too(tmp_path):
    verdict = changed(tmp_path, "07_leaky_relu", (
        "return np.where(self.cache",
        "self.cache *= 2\n        return np.where(self.cache"))
    assert str(verdict).startswith("It changes its input x, whose")
