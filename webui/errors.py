"""Every error a person can meet, in words: what was found, what was expected, what to do.

Raised where the fact is known; caught in three places only: the engine's worker, the API and the UI.
"""

from __future__ import annotations


class WebUIError(Exception):
    """Base of all errors that are told to a person; `str(error)` is the message shown."""

    #: HTTP status with which the API answers.
    status = 500


class InvalidRequest(WebUIError):
    """A field of a request holds what cannot be used; the form marks the field, the API answers 422."""

    status = 422

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field

    def __reduce__(self) -> tuple[type, tuple[str, str]]:
        return type(self), (self.field, str(self))


class CheckpointNotFound(InvalidRequest):
    """No checkpoint or VAE of that name; says what was looked for and what is nearest."""


class UnsupportedCheckpoint(WebUIError):
    """The file is there, but cannot be loaded; says what it seems to be."""

    status = 422


class UnreadableImage(WebUIError):
    """A picture that was handed in is damaged, too large or no picture at all."""

    status = 422


class SaveFailed(WebUIError):
    """A finished picture could not be written (disk full, no permission); names the path."""


class JobNotFound(WebUIError):
    """No job of that id."""

    status = 404


class JobNotWaiting(WebUIError):
    """The job has begun or ended, so that it cannot be moved, held back or changed."""

    status = 409


class PlotNotFound(WebUIError):
    """No plot of that id, or no such cell in it."""

    status = 404


class PictureNotFound(WebUIError):
    """The history has no such picture (any more), or the trash no such deletion."""

    status = 404


class ModelNotFound(WebUIError):
    """No model file of that kind and name, or nothing of what was asked for beside it."""

    status = 404


class TaskNotFound(WebUIError):
    """No work on model files of that id."""

    status = 404


class TaskFailed(WebUIError):
    """Work on a model file (download, conversion, merge) could not be done; says why, and what to do."""


class OutOfMemory(WebUIError):
    """Not enough memory on the device; the job fails, the loaded pipeline stays."""


class PluginError(WebUIError):
    """An extension raised in a hook, or returned what the hook cannot return; the job fails and names the extension."""

    def __init__(self, plugin: str, hook: str, message: str) -> None:
        super().__init__(f"The extension {plugin} failed in {hook}: {message}" if hook else message)
        self.plugin, self.hook, self._message = plugin, hook, message

    def __reduce__(self) -> tuple[type, tuple[str, str, str]]:
        return type(self), (self.plugin, self.hook, self._message)


class EngineDied(WebUIError):
    """The engine process ended while it worked on a job."""


class Cancelled(Exception):
    """Raised inside the engine to leave the sampling loop; no failure: finished pictures are kept."""
