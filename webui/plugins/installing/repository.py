"""What is asked of git: a copy of a branch without what git could be made to run, and what is new there."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from webui.plugins.installing.addresses import Source, is_commit
from webui.plugins.installing.commands import Ended, Progress, run
from webui.plugins.installing.refusal import InstallRefused

#: A clone may take this long, a question this long, in seconds.
CLONE_SECONDS, ASK_SECONDS = 300.0, 40.0
_CHANGES_MOST = 100

#: No hooks, no helpers, no links to places outside, no question to anybody.
_CAREFUL = [
    *("-c", "core.hooksPath=/dev/null", "-c", "core.symlinks=false", "-c", "core.fsmonitor=false"),
    *("-c", "protocol.allow=never"),
    *(part for name in ("https", "http", "ssh", "git", "file") for part in ("-c", f"protocol.{name}.allow=always")),
    *("-c", "http.lowSpeedLimit=100", "-c", "http.lowSpeedTime=30"),
]  # fmt: skip


@dataclass(frozen=True)
class Change:
    """A commit: `date` as ISO 8601, `subject` its first line."""

    commit: str
    date: str
    author: str
    subject: str


def _environment() -> dict[str, str]:
    quiet = {"GIT_TERMINAL_PROMPT": "0", "GIT_ASKPASS": "true", "SSH_ASKPASS": "true", "GIT_LFS_SKIP_SMUDGE": "1", "LC_ALL": "C"}
    ssh = os.environ.get("GIT_SSH_COMMAND", "ssh -oBatchMode=yes -oConnectTimeout=20")
    return {**quiet, "GIT_SSH_COMMAND": ssh}


def _git(
    progress: Progress, what: str, *arguments: str, seconds: float = ASK_SECONDS, look: Callable[[], None] = lambda: None
) -> str:
    return run(["git", *_CAREFUL, *arguments], progress, seconds=seconds, what=what, environment=_environment(), look=look)


def clone(
    source: Source, commit: str, target: Path, progress: Progress, *, look: Callable[[], None], seconds: float | None = None
) -> Source:
    """Make `target` a copy of the branch, at `commit` ("": its newest). Returns the source with the branch's name.

    Raises:
        InstallRefused: git cannot, says why; there is no such branch or commit.
        Cancelled: the task was cancelled.
    """
    if commit and not is_commit(commit):
        raise InstallRefused(f"“{commit:.80}” is no commit: 40 digits and letters from a to f are.")
    branch = ["--branch", source.branch] if source.branch else []
    options = ["--no-local", "--template=", "--no-recurse-submodules", *branch]
    what = f"Fetching {source.address:.200}"
    _git(
        progress,
        what,
        "clone",
        "--quiet",
        *options,
        "--",
        source.address,
        str(target),
        seconds=seconds or CLONE_SECONDS,
        look=look,
    )
    name = source.branch or _git(progress, what, "-C", str(target), "rev-parse", "--abbrev-ref", "HEAD").strip()
    if commit:
        _check_out(target, commit, progress)
    return Source("git", source.address, name)


def _check_out(target: Path, commit: str, progress: Progress) -> None:
    try:
        _git(progress, "Taking the commit", "-C", str(target), "checkout", "--quiet", "--detach", commit)
    except Ended as error:
        raise InstallRefused(f"The repository has no commit {commit[:12]} (any more).") from error


def head(tree: Path, progress: Progress) -> Change:
    """The commit that lies in `tree`."""
    return _log(tree, progress, "-1", "HEAD")[0]


def news(tree: Path, branch: str, progress: Progress) -> list[Change]:
    """The branch's commits that `tree` has not, newest first; a hundred at most. Raise InstallRefused where git cannot tell."""
    _git(
        progress, "Asking what is new", "-C", str(tree), "fetch", "--quiet", "--no-recurse-submodules", "origin", branch or "HEAD"
    )
    return _log(tree, progress, f"-{_CHANGES_MOST}", "HEAD..FETCH_HEAD")


def _log(tree: Path, progress: Progress, *which: str) -> list[Change]:
    form = "--format=%H%x1f%cI%x1f%an%x1f%s"
    text = _git(progress, "Reading the history", "-C", str(tree), "log", "--no-show-signature", form, *which, "--")
    return [Change(*line.split("\x1f")) for line in text.splitlines() if line.count("\x1f") == 3]
