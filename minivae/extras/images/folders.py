"""What is in a folder of pictures, and what its folders say about each.

Folders in it are classes, unless they are called train and test: these say
which pictures are for testing. Every file that is left out is noted.
"""
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from .labels import natural
from .pictures import ENDINGS, shown

ROLE = re.compile("(train|test|val)(ing|id|idation)?"
                  "([ _-]?(set|data|images))?", re.IGNORECASE)
# besides what begins with a dot
HIDDEN = {"__macosx", "@eadir", "thumbs.db", "ehthumbs.db", "desktop.ini",
          "$recycle.bin", "system volume information"}


class Picture(NamedTuple):
    """A picture, and what its folders say; test is None if they do not."""

    path: Path
    class_name: str
    test: bool | None = None


def find_pictures(folder: Path, notes: list) -> list[Picture]:
    """Return all pictures below folder, in the natural order of their names.

    Raises OSError if folder cannot be opened.
    """
    kinds: dict[str, list[Path]] = {
        "pictures": [], "hidden": [], "not pictures": [], "broken links": [],
        "not files": []}
    for path in walk(folder, notes):
        kind = ("hidden" if is_hidden(path, folder)
                else "pictures" if os.path.isfile(path)
                and path.suffix.lower() in ENDINGS
                else "not pictures" if os.path.isfile(path)
                else "broken links" if path.is_symlink()
                else "not files")                     # but pipes, for example
        kinds[kind].append(path)
    paths = in_order(kinds.pop("pictures"), folder)
    for kind, others in kinds.items():
        leave_out(notes, kind, others, folder)
    return each_once(sort_out(paths, folder, notes), folder, notes)


def walk(folder: Path, notes: list) -> Iterator[Path]:
    """Yield all files below folder.

    Links to folders are followed, but no folder is read twice: a link may
    lead to one of its parents.
    """
    parents, seen = Path(os.path.realpath(folder)).parents, set()
    again: list[Path] = []
    empty: list[Path] = []
    closed: list[OSError] = []
    starts = [folder]                # links wait until all else has been seen
    for start in starts:
        for here, folders, files in os.walk(start, onerror=closed.append):
            real = Path(os.path.realpath(here))
            if real in seen or real in parents:
                again.append(Path(here))
                folders.clear()
                continue
            seen.add(real)
            if not files and not folders and Path(here) != folder:
                empty.append(Path(here))
            yield from (Path(here, name) for name in files)
            links = [path for path in map(Path(here).joinpath, folders)
                     if path.is_symlink()]
            yield from (path for path in links if is_hidden(path, folder))
            starts += in_order([path for path in links
                                if not is_hidden(path, folder)], folder)
    if closed and closed[0].filename == str(folder):
        raise closed[0]
    leave_out(notes, "links to folders already read", again, folder)
    leave_out(notes, "empty folders", [path for path in empty
                                       if not is_hidden(path, folder)], folder)
    leave_out(notes, "folders that cannot be opened",
              [Path(error.filename) for error in closed], folder)


def in_order(paths: list[Path], folder: Path) -> list[Path]:
    """Sort paths, in the same way on all systems."""
    return sorted(paths, key=lambda path: [
        natural(part) for part in path.relative_to(folder).parts])


def is_hidden(path: Path, folder: Path) -> bool:
    """Is path, or a folder between it and folder, hidden or a system's?"""
    return any(part.startswith(".") or part.lower() in HIDDEN
               for part in path.relative_to(folder).parts)


def leave_out(notes: list, what: str, paths: list[Path], folder: Path,
              why: str = "") -> None:
    """Note how many paths, if any, are left out, and the first of them."""
    if paths:
        names = [shown(path.relative_to(folder))
                 for path in in_order(paths, folder)[:3]]
        more = [f"{len(paths) - 3:,} more"] * (len(paths) > 3)
        notes.append(f"{len(paths):,} left out ({what}): "
                     f"{', '.join(names + more)}{why}")


def sort_out(paths: list[Path], folder: Path, notes: list) -> list[Picture]:
    """Return the class of each picture, and whether it is for testing.

    What is for validation is left out if there is something to test on, else
    it is for testing.
    """
    # Archives are often unpacked into a folder in a folder
    base = Path(os.path.commonpath([path.parent for path in paths]
                                   or [folder]))
    trails = [path.relative_to(base).parts[:-1] for path in paths]
    roles, within = zip(*map(role_of, trails)) if trails else ((), ())
    testing = "test" if "test" in roles else "val"
    split = {"train", testing} <= set(roles)
    if split:
        for what, role in (("for validation", "val"),
                           ("in neither train nor test", None)):
            leave_out(notes, what, [path for path, its in zip(paths, roles)
                                    if its == role != testing], folder)
    name = Path(os.path.abspath(base)).name or str(base)
    found, loose = [], []
    for path, trail, role, rest in zip(paths, trails, roles, within):
        classes = rest if split else trail
        if not split or role in ("train", testing):
            found.append(Picture(path, classes[0] if classes else name,
                                 role == testing if split else None))
            loose += [path] * (not classes)
    if 0 < len(loose) < len(found):
        notes.append(f"{len(loose):,} pictures outside the class folders form "
                     f"the class {shown(name)}")
    return found


def each_once(found: list[Picture], folder: Path,
              notes: list) -> list[Picture]:
    """Leave out links to pictures that are there anyway, even as another link.

    The same picture to train and to test on would make the test too easy.
    """
    links = {one.path for one in found if one.path.is_symlink()}
    if not links:
        return found
    seen = {os.path.realpath(one.path) for one in found
            if one.path not in links}
    again = []
    for one in found:
        if one.path in links:
            real = os.path.realpath(one.path)
            again += [one.path] * (real in seen)
            seen.add(real)
    leave_out(notes, "links to pictures already read", again, folder)
    gone = set(again)
    return [one for one in found if one.path not in gone]


def role_of(trail: tuple) -> tuple[str | None, tuple]:
    """Return what a picture is for, and the folders around it but that one."""
    for i, part in enumerate(trail):
        if role := ROLE.fullmatch(part):
            return role[1].lower(), trail[:i] + trail[i + 1:]
    return None, trail
