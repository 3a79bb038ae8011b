import subprocess
import sys

import pytest

from webui.storage.lock import FolderInUse, FolderLock


def test_a_folder_is_held_by_one_and_says_where(tmp_path):
    lock = FolderLock(tmp_path / "state")
    lock.tell_address("http://127.0.0.1:7860")
    with pytest.raises(FolderInUse, match=r"running already in .* at http://127.0.0.1:7860"):
        FolderLock(tmp_path / "state")
    lock.release()
    FolderLock(tmp_path / "state").release()


def test_a_killed_holder_holds_no_longer(tmp_path):
    code = "import os, sys, pathlib, webui.storage.lock as lock; held = lock.FolderLock(pathlib.Path(sys.argv[1])); os.abort()"
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, check=False)
    FolderLock(tmp_path).release()
