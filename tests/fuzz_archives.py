"""Zip archives written byte by byte, so that they can lie; and files that grow beyond all bounds when they are read."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from random import Random

import pyarrow as pa
import pyarrow.parquet as pq

MIB = 1 << 20


@dataclass(frozen=True)
class Member:
    """A member of an archive; what is None is stated as it is."""

    name: bytes
    content: bytes = b""
    method: int = 8
    flags: int = 0
    crc: int | None = None
    size: int | None = None
    packed: bytes | None = None  # the stored bytes
    packed_size: int | None = None
    offset: int | None = None  # where the directory says that it begins
    local_name: bytes | None = None


def deflated(content: bytes) -> bytes:
    packer = zlib.compressobj(6, zlib.DEFLATED, -15)
    return packer.compress(content) + packer.flush()


def pack(members: list[Member], count: int | None = None, comment: bytes = b"", prefix: bytes = b"") -> bytes:
    """An archive of the members; ``count``: how many it says that it has."""
    body, directory = io.BytesIO(), io.BytesIO()
    body.write(prefix)
    for member in members:
        stored = member.packed
        if stored is None:
            stored = deflated(member.content) if member.method == 8 else member.content
        crc = zlib.crc32(member.content) if member.crc is None else member.crc
        size = len(member.content) if member.size is None else member.size
        length = len(stored) if member.packed_size is None else member.packed_size
        begin = body.tell() if member.offset is None else member.offset
        local = member.name if member.local_name is None else member.local_name
        facts = (20, member.flags, member.method, 0, 33, crc, length, size)
        body.write(struct.pack("<4s5H3L2H", b"PK\3\4", *facts, len(local), 0) + local + stored)
        directory.write(struct.pack("<4s6H3L5H2L", b"PK\1\2", 20, *facts, len(member.name), 0, 0, 0, 0, 0, begin))
        directory.write(member.name)
    count = len(members) if count is None else count
    start = body.tell()
    body.write(directory.getvalue())
    body.write(
        struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, count % 65536, count % 65536, directory.tell(), start, len(comment))
    )
    return body.getvalue() + comment


def nested(content: bytes, name: bytes, depth: int) -> bytes:
    """An archive in an archive, and so on."""
    for level in range(depth):
        content = pack([Member(name, content)])
        name = f"level{level}.zip".encode()
    return content


NAMES = [
    b"../../evil.csv",
    b"..\\..\\evil.csv",
    b"/tmp/evil.csv",
    b"C:\\evil.csv",
    b"\\\\host\\share\\evil.csv",
    b"a\0b.csv",
    b"a\nb\x1b[31m.csv",
    b"..",
    b"",
    b"/",
    b"con.csv",
    b"x" * 60_000 + b".csv",
    b"=cmd|' -C calc'!A0.csv",
    "\u202egnp.csv".encode(),
    b"\xff\xfe\x80.csv",
    b"data.csv/",
    b"a/" * 3000 + b"b.csv",
    b".hidden.csv",
    b"__MACOSX/._data.csv",
    "한글 자료.csv".encode("cp949"),
    "한글 자료.csv".encode(),
]


def spoiled(rng: Random, members: list[Member]) -> tuple[str, bytes]:
    """What was done, and an archive that is not what it says."""
    first, *rest = members
    whole = pack(members)
    cut = rng.randrange(len(whole))
    garbage = rng.randbytes(rng.choice([1, 20, 3000]))
    ways: dict[str, Callable[[], bytes]] = {
        "name": lambda: pack([replace(first, name=rng.choice(NAMES), flags=rng.choice([0, 0x800])), *rest]),
        "two names": lambda: pack([replace(first, local_name=rng.choice(NAMES)), *rest]),
        "encrypted": lambda: pack([replace(first, flags=1), *rest]),
        "strange flags": lambda: pack([replace(first, flags=rng.choice([2, 8, 0x20, 0x40, 0x2000, 0xFFFF])), *rest]),
        "wrong sum": lambda: pack([replace(first, crc=rng.getrandbits(32)), *rest]),
        "smaller": lambda: pack([replace(first, size=rng.choice([0, 1, 100])), *rest]),
        "larger": lambda: pack([replace(first, size=len(first.content) + rng.choice([1, 10**6, 2**31]))]),
        "packed smaller": lambda: pack([replace(first, packed_size=rng.choice([0, 1, 50])), *rest]),
        "packed larger": lambda: pack([replace(first, packed_size=rng.choice([10**5, 2**32 - 1])), *rest]),
        "method": lambda: pack([replace(first, method=rng.choice([1, 6, 9, 12, 14, 93, 95, 97, 99, 65535])), *rest]),
        "no stream": lambda: pack([replace(first, packed=garbage), *rest]),
        "stream cut": lambda: pack([replace(first, packed=deflated(first.content)[: rng.randrange(1, 60)]), *rest]),
        "offset": lambda: pack([replace(first, offset=rng.choice([1, 7, len(whole), 2**32 - 1])), *rest]),
        "the same twice": lambda: pack([first, first, *rest]),
        "one place twice": lambda: pack([first, replace(first, name=b"again.csv", offset=0), *rest]),
        "count": lambda: pack(members, count=rng.choice([0, 2, 65535])),
        "comment": lambda: pack(members, comment=b"PK\5\6" * rng.choice([1, 5, 2000])),
        "prefix": lambda: pack(members, prefix=garbage),
        "behind": lambda: whole + garbage,
        "truncated": lambda: whole[:cut],
        "empty": lambda: pack([]),
        "many empty": lambda: pack([*members, *(Member(b"e%d.csv" % n) for n in range(rng.choice([50, 3000])))]),
        "strangers": lambda: pack([*members, Member(b"photo.jpg", garbage), Member(b"read me.txt", b"Hello\n")]),
        "deep": lambda: nested(first.content, first.name, rng.choice([2, 3, 4, 5, 6])),
        "itself": lambda: pack([Member(b"self.zip", whole), *members]),
    }
    way = rng.choice(list(ways))
    return way, ways[way]()


def repeated(block: bytes, times: int) -> Member:
    """A member of one block many times over, packed without ever holding it."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    piece = packer.compress(block) + packer.flush(zlib.Z_FULL_FLUSH)
    crc = 0
    for _ in range(times):
        crc = zlib.crc32(block, crc)
    return Member(b"data.csv", packed=piece * times + b"\x03\x00", crc=crc, size=len(block) * times)


def sheet_bomb(rows: int, text: str) -> bytes:
    """A workbook of which every cell is the same long text, stated once."""
    cells = "".join('<c t="s"><v>0</v></c>' for _ in range(10))
    return _workbook(f"<row>{cells}</row>" * rows, text)


def sheet_corners() -> bytes:
    """A workbook of two cells, the first and the last that a sheet can have."""
    corner = '<row r="1048576"><c r="XFD1048576" t="s"><v>0</v></c></row>'
    return _workbook(f'<row r="1"><c r="A1" t="s"><v>0</v></c></row>{corner}', "HV")


def _workbook(rows: str, text: str) -> bytes:
    main = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'
    office = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    package = "http://schemas.openxmlformats.org/package/2006"
    kind = "application/vnd.openxmlformats-officedocument.spreadsheetml"
    parts = {
        "[Content_Types].xml": f'<Types xmlns="{package}/content-types">'
        '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        f'<Override PartName="/xl/workbook.xml" ContentType="{kind}.sheet.main+xml"/>'
        f'<Override PartName="/xl/worksheets/sheet1.xml" ContentType="{kind}.worksheet+xml"/>'
        f'<Override PartName="/xl/sharedStrings.xml" ContentType="{kind}.sharedStrings+xml"/></Types>',
        "_rels/.rels": f'<Relationships xmlns="{package}/relationships">'
        f'<Relationship Id="r1" Type="{office}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
        "xl/workbook.xml": f'<workbook {main} xmlns:r="{office}">'
        '<sheets><sheet name="data" sheetId="1" r:id="r1"/></sheets></workbook>',
        "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{package}/relationships">'
        f'<Relationship Id="r1" Type="{office}/worksheet" Target="worksheets/sheet1.xml"/>'
        f'<Relationship Id="r2" Type="{office}/sharedStrings" Target="sharedStrings.xml"/></Relationships>',
        "xl/sharedStrings.xml": f"<sst {main}><si><t>{text}</t></si></sst>",
        "xl/worksheets/sheet1.xml": f"<worksheet {main}><sheetData>{rows}</sheetData></worksheet>",
    }
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return stream.getvalue()


def parquet_bomb(rows: int, text: str) -> bytes:
    """A small Parquet file with a column of one long text, which is stored once."""
    column = pa.DictionaryArray.from_arrays(pa.repeat(pa.scalar(0, pa.int32()), rows), pa.array([text]))
    stream = io.BytesIO()
    table = pa.table({"Al": pa.repeat(pa.scalar(50.0), rows), "Fe": pa.repeat(pa.scalar(50.0), rows), "HV": column})
    pq.write_table(table, stream, store_schema=False, compression="zstd")
    return stream.getvalue()
