"""One-token changes of JavaScript and CUDA, for mechanical.py: by patterns.

There is no parser of them here. Each pattern looks at the text with its
comments and strings blanked out, and says what stands in place of what it
finds. So a file must be written as page.js is: spaces around operators, a
statement to a line.
"""
import re
from collections.abc import Iterator
from functools import partial

SILENT = re.compile(r'//[^\n]*|/\*.*?\*/|"[^"\n]*"|`[^`]*`', re.DOTALL)
# lines, and sizes of marks, that only say how something looks; and what is
# the preprocessor's, or chooses an order of reading
LOOKS = re.compile(r"lineWidth|globalAlpha|\.font\b|strokeText"
                   r"|^#|product<|template")
OPERATORS = {"+": "-", "-": "+", "*": "/", "/": "*", "%": "*", "**": "*",
             "<": "<=", "<=": "<", ">": ">=", ">=": ">", "===": "!==",
             "!==": "===", "&&": "||", "||": "&&", "+=": "-=",
             "true": "false", "false": "true"}
NAME = r"[A-Za-z_$][\w$]*(?:\.[\w$]+)*"
STATEMENT = (r"(?<=[;{}])\s*^ *(?!const |let |return|for |else)"
             r"([^\s{}][^\n{}]*;)$")


def changes(text: str) -> Iterator[tuple[int, int, str]]:
    """Yield (start, end, what stands there then) for every change of text."""
    code = SILENT.sub(blank, text)
    found = {change for pattern, new in PATTERNS
             for match in pattern.finditer(code)
             for change in new(match)}
    for start, end, new in sorted(found):
        line = text[text.rfind("\n", 0, start) + 1:].split("\n")[0]
        if not LOOKS.search(line):
            yield start, end, new


def blank(match: re.Match) -> str:
    """Return a comment as spaces, a string as quotes, of the same length."""
    new = " " if match[0].startswith("/") else '"'
    return re.sub(r"[^\n]", new, match[0])


def of_group(match: re.Match, new: str, group: int = 1) -> tuple:
    return match.start(group), match.end(group), new


def of_operator(match):
    yield of_group(match, OPERATORS[match[1]])


def of_number(match):
    if "." in match[1]:
        yield of_group(match, str(2 * float(match[1])))
    else:
        yield of_group(match, str(int(match[1]) + 1))
        if int(match[1]):
            yield of_group(match, str(int(match[1]) - 1))


def swapped(match):
    yield match.start(1), match.end(2), f"{match[2]}, {match[1]}"


def replaced(new, match):
    yield of_group(match, match.expand(new))


PATTERNS = [(re.compile(pattern, re.MULTILINE), new) for pattern, new in [
    (rf"(?<=\s)({'|'.join(map(re.escape, OPERATORS))})(?=\s)", of_operator),
    (r"\b(true|false)\b", of_operator),
    (r"(?<=[\s(\[])(-)(?=[\w(])", partial(replaced, "")),
    (r"(!)(?=[\w($])", partial(replaced, "")),
    (r"(?<![\w.$])(?<!e-)(\d+(?:\.\d+)?)\b(?!\.\d| \* unit)", of_number),
    (rf"(?<!max)(?<!min)[(\[]({NAME}), ({NAME})(?=[,)\]])", swapped),
    (rf"\b(?:if|while) \(({NAME})\)", partial(replaced, r"!\1")),
    (rf"({NAME}) \? ", partial(replaced, r"!\1")),
    (STATEMENT, partial(replaced, ";")),
]]
