"""Reading bytes: from the parts of an archive as if they were one file, and with errors that name the file."""

from __future__ import annotations

import io
import os
from collections.abc import Sequence
from typing import BinaryIO

from alloymtl.data.raw.faults import readable_as

_BUFFER = 1 << 18


def joined(paths: Sequence[str]) -> BinaryIO:
    """Several files one after the other, read as one that can be sought in.

    Args:
        paths: the files in order.

    Raises:
        OSError: one of them cannot be opened.
    """
    return io.BufferedReader(_Joined(paths))


class _Joined(io.RawIOBase):
    """The bytes of several files in order."""

    def __init__(self, paths: Sequence[str]) -> None:
        self._files: list[BinaryIO] = []
        try:
            for path in paths:
                self._files.append(open(path, "rb"))  # noqa: SIM115
        except OSError:
            self.close()
            raise
        self._ends = []
        end = 0
        for file in self._files:
            end += file.seek(0, os.SEEK_END)
            self._ends.append(end)
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        start = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._ends[-1]}[whence]
        if start + offset < 0:
            raise OSError("a place before the start of the file")
        self._at = start + offset
        return self._at

    def tell(self) -> int:
        return self._at

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        begin = 0
        for file, end in zip(self._files, self._ends, strict=True):
            if self._at < end:
                file.seek(self._at - begin)
                chunk = file.read(min(len(buffer), end - self._at))
                buffer[: len(chunk)] = chunk
                self._at += len(chunk)
                return len(chunk)
            begin = end
        return 0

    def close(self) -> None:
        for file in self._files:
            file.close()
        super().close()


class _Named(io.RawIOBase):
    """A stream whose errors name the file."""

    def __init__(self, stream: BinaryIO, kind: str, where: str) -> None:
        self._stream, self._kind, self._where = stream, kind, where

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        with readable_as(self._kind, self._where):
            chunk = self._stream.read(len(buffer))
        buffer[: len(chunk)] = chunk
        return len(chunk)

    def close(self) -> None:
        self._stream.close()
        super().close()


def named(stream: BinaryIO, kind: str, where: str) -> BinaryIO:
    """A buffered stream over another one, whose errors are a ``UserError`` that names the file.

    Args:
        stream: open for reading.
        kind: what is read, for example ``a member of an archive``.
        where: the file, as a message shows it.
    """
    return io.BufferedReader(_Named(stream, kind, where), _BUFFER)
