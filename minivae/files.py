"""Files that are whole, whatever happens while they are written."""
import errno
import os
from contextlib import suppress
from pathlib import Path


def write_file(path: str | Path, content: bytes) -> None:
    """Write a file as a whole, or leave it as it was: OSError says why.

    The new one is written beside the old one, flushed to the disk and read
    back; only then does it take the old one's name.
    """
    path = Path(path)
    part = path.parent / f"part-{path.name}"
    try:
        with open(part, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        if part.read_bytes() != content:
            raise OSError(errno.EIO, "the disk gave back something else")
        part.replace(path)
    except OSError as error:
        error.filename, error.filename2 = str(path), None       # not the part
        raise
    finally:
        with suppress(OSError):
            part.unlink()
