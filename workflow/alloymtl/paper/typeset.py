"""LaTeX to PDF, the same bytes each time, and the bundle of sources that compiles on its own."""

from __future__ import annotations

import gzip
import io
import logging
import os
import re
import shutil
import subprocess
import tarfile
from pathlib import Path

from alloymtl.errors import UserError

PACKAGES = (
    "latexmk texlive-latex-base texlive-latex-recommended texlive-fonts-recommended texlive-latex-extra"
    " texlive-science lmodern"
)
# A fixed moment, so that the PDF carries no date of its making.
EPOCH = "1767225600"
COMMAND = ("latexmk", "-norc", "-pdf", "-halt-on-error", "-interaction=nonstopmode", "-file-line-error")
_ERROR = re.compile(r"^(?:! .+|(?:\./)?[\w./-]+\.(?:tex|bbl|sty|cls):\d+: .+)$", re.MULTILINE)
_UNRESOLVED = re.compile(r"^(?:LaTeX|Package natbib) Warning: (?:Reference|Citation) .+ undefined.*$", re.MULTILINE)
_TOO_WIDE = re.compile(r"^Overfull \\hbox \((\d+\.\d+)pt too wide\).*$", re.MULTILINE)
log = logging.getLogger("alloymtl")


def pdf(folder: Path, name: str, kept_log: Path) -> Path:
    """Compile ``<name>.tex`` in a folder that holds all it reads.

    Args:
        folder: build folder; everything LaTeX writes lands in it.
        name: file name of the source without its ending.
        kept_log: where LaTeX's log is copied if it fails.

    Returns:
        The PDF.

    Raises:
        UserError: LaTeX is not installed or stops at an error (its first error line is quoted), or a citation or
            reference leads nowhere.
    """
    if shutil.which("latexmk") is None or shutil.which("pdflatex") is None:
        raise UserError("latexmk", "LaTeX is not installed.", f"apt-get install --no-install-recommends {PACKAGES}")
    fixed = {"SOURCE_DATE_EPOCH": EPOCH, "FORCE_SOURCE_DATE": "1", "max_print_line": "10000", "TZ": "UTC"}
    command = [*COMMAND, f"{name}.tex"]
    quiet = {"stdin": subprocess.DEVNULL, "capture_output": True, "text": True, "errors": "replace", "check": False}
    run = subprocess.run(command, cwd=folder, env={**os.environ, **fixed}, **quiet)
    log.debug("%s\n%s", run.stdout, run.stderr)
    written = folder / f"{name}.log"
    text = written.read_text(encoding="utf-8", errors="replace") if written.is_file() else run.stdout + run.stderr
    wrong = _ERROR.search(text) if run.returncode else _UNRESOLVED.search(text)
    if run.returncode or wrong:
        kept_log.parent.mkdir(parents=True, exist_ok=True)
        kept_log.write_text(text, encoding="utf-8")
        what = wrong.group(0) if wrong else (run.stderr.strip() or run.stdout.strip()).splitlines()[-1]
        raise UserError(f"{name}.tex", f"LaTeX says: {what}", f"see {kept_log}.")
    for width in _TOO_WIDE.finditer(text):
        log.warning("the paper has a line that is %s pt too wide (%s)", width.group(1), width.group(0))
    return folder / f"{name}.pdf"


def bundle(files: dict[str, Path]) -> bytes:
    """A gzipped tar of files by name, without owners, dates or order that could differ."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name in sorted(files):
            content = files[name].read_bytes()
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode, entry.mtime = len(content), 0o644, int(EPOCH)
            archive.addfile(entry, io.BytesIO(content))
    return gzip.compress(buffer.getvalue(), mtime=0)
