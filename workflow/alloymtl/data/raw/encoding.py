"""Finding the encoding of a text.

A text that decodes as UTF-8 is UTF-8. Else the question is whether its bytes above 127 are Korean (CP949, which holds
EUC-KR) or Western (cp1252). CP949 accepts most Western texts too, and reads ``°C`` or ``Größe`` as rare syllables and
Chinese characters; so what decides is how many of these bytes are pairs that are common in Korean.
"""

from __future__ import annotations

import codecs
import re
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import BinaryIO

_BLOCK = 1 << 20
_RUN = re.compile(rb"[\x80-\xff]+")
_DISTINCT = 100_000  # runs of bytes that are looked at; more tell no more
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # begins as UTF-16 does
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
# Western signs that stand together in units, and are rare syllables in Korean: ²·, °·, ±°, µ°, ¹·.
_WESTERN = {b"\xb2\xb7", b"\xb0\xb7", b"\xb1\xb0", b"\xb5\xb0", b"\xb9\xb7"}


@dataclass(frozen=True)
class Text:
    """What a look at all bytes of a text says.

    Attributes:
        encoding: its name in Python; None where it is none of those that are found.
        has_nul: whether a NUL occurs in what is not marked as UTF-16.
    """

    encoding: str | None
    has_nul: bool


def look(opener: Callable[[], BinaryIO]) -> Text:
    """Find the encoding of a text: ``utf-8``, ``utf-8-sig``, ``utf-16``, ``utf-32``, ``cp949`` or ``cp1252``.

    A text that is UTF-8 or Korean but for a few broken bytes counts as such, so that decoding it fails at those.

    Args:
        opener: opens it from its first byte; called up to three times.
    """
    with opener() as stream:
        head = stream.read(4)
    for mark, encoding in _MARKS:
        if head.startswith(mark):
            return Text(encoding, has_nul=False)
    has_nul = False
    decoder: codecs.IncrementalDecoder | None = codecs.getincrementaldecoder("utf-8")()
    for block in _blocks(opener):
        has_nul = has_nul or b"\0" in block
        if decoder is not None and not _decodes(decoder, block):
            decoder = None
    if decoder is not None and _decodes(decoder, b"", final=True):
        return Text("utf-8", has_nul)
    return Text(_legacy(opener), has_nul)


def _legacy(opener: Callable[[], BinaryIO]) -> str | None:
    """The encoding of a text that is not UTF-8 throughout."""
    runs: Counter[bytes] = Counter()
    decoders = {name: codecs.getincrementaldecoder(name)() for name in ("cp949", "cp1252")}
    for block in _blocks(opener):
        if len(runs) < _DISTINCT:
            runs.update(_RUN.findall(block))
        decoders = {name: decoder for name, decoder in decoders.items() if _decodes(decoder, block)}
    decoders = {name: decoder for name, decoder in decoders.items() if _decodes(decoder, b"", final=True)}
    unicode = sum(n * _unicode(run) for run, n in runs.items())
    korean = sum(n * _korean(run) for run, n in runs.items())
    if unicode > 0:
        return "utf-8"
    if korean > 0 or (korean == 0 and "cp949" in decoders):
        return "cp949"
    return "cp1252" if "cp1252" in decoders else None


def decoded_name(info: zipfile.ZipInfo) -> str:
    """The name of a member; where the archive does not say that it is UTF-8, by what its bytes look like."""
    if info.flag_bits & 0x800 or info.filename.isascii():
        return info.filename
    raw = info.filename.encode("cp437")  # as zipfile decoded it
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        pass
    try:
        return raw.decode("cp949") if sum(map(_korean, _RUN.findall(raw))) > 0 else info.filename
    except UnicodeDecodeError:
        return info.filename


def first_broken_line(opener: Callable[[], BinaryIO], encoding: str) -> int | None:
    """The line, from 1, of the first bytes that do not decode; None where there are none.

    Args:
        opener: opens the text from its first byte.
        encoding: known to Python.
    """
    decoder = codecs.getincrementaldecoder(encoding)()
    lines = 1
    for block in (*_blocks(opener), b""):
        try:
            lines += decoder.decode(block, final=not block).count("\n")
        except UnicodeDecodeError as error:
            return lines + error.object[: error.start].count(b"\n")
    return None


def _blocks(opener: Callable[[], BinaryIO]) -> Iterator[bytes]:
    """The bytes in blocks that end between characters of ASCII wherever there are such."""
    with opener() as stream:
        left = b""
        while block := stream.read(_BLOCK):
            block = left + block
            end = len(block)
            while end > len(block) - 64 and end and block[end - 1] > 127:
                end -= 1
            left = block[end:] if len(block) - end < 64 else b""
            yield block[: len(block) - len(left)]
        if left:
            yield left


def _decodes(decoder: codecs.IncrementalDecoder, block: bytes, final: bool = False) -> bool:
    try:
        decoder.decode(block, final)
    except UnicodeDecodeError:
        return False
    return True


def _unicode(run: bytes) -> int:
    """How many of a run of bytes above 127 are UTF-8 up to the first that are not, less the rest."""
    try:
        run.decode("utf-8")
    except UnicodeDecodeError as error:
        return 2 * error.start - len(run)
    return len(run)


def _korean(run: bytes) -> int:
    """How many pairs of a run of bytes above 127 are common in Korean, less what speaks for a Western text."""
    score = at = 0
    while at < len(run):
        pair = run[at : at + 2]
        lead, trail = pair[0], pair[-1]
        if len(pair) < 2 or lead < 0xA1 or trail < 0xA1:
            # Half of a rare syllable, whose other half is a letter; or a Western letter.
            score -= 1
            at += 1
            continue
        is_common = lead <= 0xAC or 0xB0 <= lead <= 0xC8  # signs or syllables; what follows are Chinese characters
        score += 1 if is_common and pair not in _WESTERN else -1
        at += 2
    return score
