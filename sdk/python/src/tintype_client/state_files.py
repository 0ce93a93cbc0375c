"""Where an upload that a restart should find is kept: a small file each, for its owner's eyes alone."""

import os
import sys
import tempfile
from pathlib import Path
from typing import Final

_SUFFIX: Final = ".json"


class StateFiles:
    """A folder of texts by name. A file is there whole or not at all."""

    def __init__(self, folder: str | os.PathLike[str] | None = None) -> None:
        """Without a folder it is the user's own for such things; it is made when something is kept."""
        self._folder = Path(folder) if folder is not None else usual_folder()

    def recall(self, name: str) -> str | None:
        """Return what was kept under the name."""
        try:
            return self._path(name).read_text()
        except (FileNotFoundError, NotADirectoryError, UnicodeDecodeError):
            return None

    def keep(self, name: str, text: str | None) -> None:
        """Keep the text, which may hold a token; None forgets it."""
        path = self._path(name)
        if text is None:
            path.unlink(missing_ok=True)
            return
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        handle, made = tempfile.mkstemp(dir=self._folder, suffix=".part")  # readable by its owner alone
        try:
            with os.fdopen(handle, "w") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            Path(made).replace(path)
        except BaseException:
            Path(made).unlink(missing_ok=True)
            raise

    def _path(self, name: str) -> Path:
        return self._folder / f"{name}{_SUFFIX}"


def usual_folder() -> Path:
    """Return where programs of this user keep what is neither settings nor cache (XDG Base Directory)."""
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    else:
        base = Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state")
    return base / "tintype" / "uploads"
