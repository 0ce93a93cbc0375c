import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tintype.adapters.data_lock import DataDirectoryLock, DataDirectoryUnusable

HOLDER = """
import sys
from pathlib import Path
from tintype.adapters.data_lock import DataDirectoryLock
with DataDirectoryLock(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def hold(directory: Path) -> subprocess.Popen[str]:
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(directory)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout
    assert holder.stdout.readline() == "held\n"
    return holder


def test_a_held_directory_is_refused_with_its_holders_process_id(tmp_path: Path) -> None:
    holder = hold(tmp_path)
    with pytest.raises(DataDirectoryUnusable, match=rf"in use by a running Tintype server \(process {holder.pid}\)"):
        DataDirectoryLock(tmp_path).acquire()
    holder.communicate()


def test_a_killed_holder_leaves_the_directory_free(tmp_path: Path) -> None:
    holder = hold(tmp_path)
    holder.send_signal(signal.SIGKILL)
    holder.communicate()
    with DataDirectoryLock(tmp_path):
        assert (tmp_path / "lock").read_text() == f"{os.getpid()}\n"


def test_a_program_that_the_holder_started_does_not_hold_the_directory(tmp_path: Path) -> None:
    lock = DataDirectoryLock(tmp_path)
    lock.acquire()
    with subprocess.Popen(["/bin/sleep", "60"], close_fds=False) as child:
        try:
            time.sleep(0.2)  # the kernel closes what exec closes a moment after exec
            lock.release()
            with DataDirectoryLock(tmp_path):
                assert child.poll() is None
        finally:
            child.kill()


def test_a_new_directory_is_made_with_its_parents(tmp_path: Path) -> None:
    with DataDirectoryLock(tmp_path / "new/data"):
        assert (tmp_path / "new/data/lock").exists()


def test_a_path_that_is_no_directory_is_refused_with_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(DataDirectoryUnusable, match=r"cannot be used: .* Choose another with --data"):
        DataDirectoryLock(tmp_path / "file").acquire()


def test_a_lock_that_is_a_link_to_another_file_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("kept")
    (tmp_path / "lock").symlink_to(tmp_path / "precious")
    with pytest.raises(DataDirectoryUnusable):
        DataDirectoryLock(tmp_path).acquire()
    assert (tmp_path / "precious").read_text() == "kept"
