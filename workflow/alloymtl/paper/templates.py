"""The paper's LaTeX from its templates: jinja2 with delimiters that LaTeX can live with, and every string escaped."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jinja2

from alloymtl.errors import UserError
from alloymtl.paper.latex import Tex, escape, listing
from alloymtl.paper.spec import PaperStudy
from alloymtl.paper.wording.conclusions import Conclusions
from alloymtl.paper.wording.prose import Prose

ENTRY = "paper.tex.j2"
SUFFIX = ".tex.j2"
DRAWN = ("independent", "hard", "structured")  # architectures that diagram.tex.j2 has a drawing of
# Keys in the bibliography of reported papers that are not the names of their folders.
CITED = {"2512.22740": "kang2025", "2509.23915": "guo2025"}
_STEM = re.compile(r"(?:table|figure)([A-Z]?\d+)_")
_MARK = Tex(r"\textbf{Simulated data.} ")
_INCLUDED = re.compile(r"\\(input|include|includegraphics|bibliography)\s*(?:\[[^\]]*\])?\s*\{([^}]*)\}")


def environment(templates: Mapping[str, Path]) -> jinja2.Environment:
    r"""Templates by file name: ``\VAR{...}`` prints, ``%% ...`` is a statement, ``%# ...`` a comment.

    A string that is printed is escaped unless it is ``Tex``; an undefined name is an error.
    """
    return jinja2.Environment(
        loader=jinja2.FunctionLoader(
            lambda name: (
                (templates[name].read_text(encoding="utf-8"), str(templates[name]), None) if name in templates else None
            )
        ),
        undefined=jinja2.StrictUndefined,
        finalize=lambda value: value if isinstance(value, Tex) else escape(value),
        block_start_string=r"\BLOCK{",
        block_end_string="}",
        variable_start_string=r"\VAR{",
        variable_end_string="}",
        comment_start_string=r"\NOTE{",
        comment_end_string="}",
        line_statement_prefix="%%",
        line_comment_prefix="%#",
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,
    )


def render(study: PaperStudy, content: Mapping[str, Any], templates: Mapping[str, Path]) -> str:
    """The paper's LaTeX source.

    Args:
        study: the study.
        content: numbers and facts, as step ``numbers`` wrote them.
        templates: template files by file name, ``ENTRY`` among them.

    Raises:
        UserError: a template is missing, has a mistake, or uses a name that is not defined; says where.
    """
    prose = Prose(study, content)
    names = {
        "study": study,
        "prose": prose,
        "say": Conclusions(prose),
        "facts": prose.facts,
        "controls": _controls(study, content),
        "cited": CITED.get(study.reported, study.reported),
        "number": _number,
        "val": prose.val,
        "has": prose.has,
        "listing": listing,
        "sentence": lambda text: Tex(text[:1].upper() + text[1:] + "."),
        "words": Tex,
        "mark": _MARK if study.simulated else Tex(""),
        "architectures": list(dict.fromkeys(m.architecture for m in study.main_methods)),
        "drawn": DRAWN,
        "described": lambda kind, name: f"{kind}_{name}{SUFFIX}" in templates,
        "file": lambda kind, name: f"{kind}_{name}{SUFFIX}",
    }
    try:
        return environment(templates).get_template(ENTRY).render(names)
    except jinja2.TemplateSyntaxError as mistake:
        where = f"{mistake.name or 'template'}, line {mistake.lineno}"
        raise UserError(where, f"{mistake.message}.", "correct the template.") from None
    except jinja2.TemplateNotFound as missing:
        raise UserError(f"paper/{missing.name}", "this template is missing.", "put it back.") from None
    except jinja2.UndefinedError as mistake:
        raise UserError(_place(mistake), f"{mistake.message}.", "correct the name in the template.") from None


def _controls(study: PaperStudy, content: Mapping[str, Any]) -> dict[str, Conclusions]:
    """Findings of the control studies by name; their phrases on design are the attribute ``prose``."""
    found = {}
    for name, control in study.controls.items():
        own = {"numbers": content["numbers"], "facts": content["facts"]["controls"][name]}
        found[name] = Conclusions(Prose(control, own, prefix=f"control.{name}."))
    return found


def _number(stem: str) -> Tex:
    """The number that a table or figure carries: that of its file, which is that of the paper it stands beside."""
    found = _STEM.match(stem)
    return Tex(found.group(1) if found else "")


def _place(error: BaseException) -> str:
    """Template and line that an error comes from: the innermost template it passed through."""
    places, step = ["template"], error.__traceback__
    while step is not None:
        if (name := step.tb_frame.f_code.co_filename).endswith(SUFFIX):
            places.append(f"{name}, line {step.tb_lineno}")
        step = step.tb_next
    return places[-1]


def check_includes(tex: str, given: Mapping[str, Path]) -> list[str]:
    """Names of the files that the source reads, each of which must be an input of the step.

    Args:
        tex: the source.
        given: files by the name that the source may call them by, such as ``tables/table1_data.tex``.

    Raises:
        UserError: it reads a file that is not given, so that no rule would make it.
    """
    used = []
    for command, argument in _INCLUDED.findall(re.sub(r"(?<!\\)%.*", "", tex)):
        for name in argument.split(","):
            ending = {"bibliography": ".bib", "includegraphics": ".pdf"}.get(command, ".tex")
            name = name.strip() if Path(name.strip()).suffix else name.strip() + ending
            if name not in given:
                mend = "name a table or figure of alloymtl/paper/layout.py."
                raise UserError(f"templates: \\{command}{{{argument}}}", "no step makes this file.", mend)
            used.append(name)
    return list(dict.fromkeys(used))
