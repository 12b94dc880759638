"""Step ``render``: templates, numbers, tables and figures to the paper's PDF, its source, and a bundle for arXiv."""

from __future__ import annotations

import shutil
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from alloymtl.errors import UserError
from alloymtl.files import atomic, read_json, write_text
from alloymtl.paper import typeset
from alloymtl.paper.spec import PaperStudy
from alloymtl.paper.templates import SUFFIX, check_includes, render

NAME = "paper"


def step(spec: dict[str, Any], inputs: dict[str, Path], outputs: dict[str, Path]) -> None:
    """Write ``pdf``, ``tex`` and ``source``, all of them or none.

    Inputs are ``numbers``, ``numbers_json``, templates (``*.tex.j2``), one bibliography (``*.bib``), tables
    (``<stem>_tex``) and figures (``<stem>_pdf``). The source may read only these.

    Raises:
        UserError: a template is wrong, the source reads a file that is not an input, or LaTeX fails.
    """
    study = PaperStudy.from_spec(spec)
    templates = {path.name: path for path in inputs.values() if path.name.endswith(SUFFIX)}
    given = _given(inputs)
    tex = render(study, read_json(inputs["numbers_json"]), templates)
    used = check_includes(tex, given)
    with TemporaryDirectory(prefix="alloymtl-paper-") as temporary:
        folder = Path(temporary)
        (folder / f"{NAME}.tex").write_text(tex, encoding="utf-8")
        for name in used:
            (folder / name).parent.mkdir(exist_ok=True)
            shutil.copyfile(given[name], folder / name)
        made = typeset.pdf(folder, NAME, kept_log=outputs["pdf"].with_suffix(".log"))
        sources = [f"{NAME}.tex", f"{NAME}.bbl", *used]
        packed = typeset.bundle({name: folder / name for name in sources})
        with atomic(outputs["source"]) as path:
            path.write_bytes(packed)
        write_text(outputs["tex"], tex)
        with atomic(outputs["pdf"]) as path:
            shutil.copyfile(made, path)


def _given(inputs: dict[str, Path]) -> dict[str, Path]:
    """Files that the source may read, by the name it calls them by."""
    given = {"numbers.tex": inputs["numbers"]}
    for name, path in inputs.items():
        if path.suffix == ".bib":
            given[path.name] = path
        elif name.endswith("_tex") and path.suffix == ".tex":
            given[f"tables/{path.name}"] = path
        elif name.endswith("_pdf"):
            given[f"figures/{path.name}"] = path
    for name, path in given.items():
        if not path.is_file():
            raise UserError(str(path), f"this input of the paper is missing ({name}).", "build it first.")
    return given
