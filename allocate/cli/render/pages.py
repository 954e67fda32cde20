"""A page of the documentation as plain text: no marks of Markdown, no LaTeX, no dead links."""

from __future__ import annotations

import re
from collections.abc import Iterator

from allocate.cli.render.lines import Line, folded

_COMMENT = re.compile(r"<!--.*?-->\n?", re.DOTALL)
_FENCE = re.compile(r"^```.*?\n(.*?)^```[ ]*$", re.DOTALL | re.MULTILINE)
_DISPLAY = re.compile(r"\$\$.*?\$\$", re.DOTALL)
_INLINE = re.compile(r"\$(?![\d$])([^$\n]+?)\$")  # "$5" is money
_LINK = re.compile(r"\[([^\]]+)\]\(([^)\s]+)\)")
_EMPHASIS = re.compile(r"(\*\*|\*|`)(?=\S)(.+?)(?<=\S)\1")
_MACROS = {
    "alpha": "α",
    "delta": "δ",
    "epsilon": "ε",
    "kappa": "κ",
    "lambda": "λ",
    "nu": "ν",
    "rho": "ρ",
    "tau": "τ",
    "theta": "θ",
    "Delta": "Δ",
    "partial": "∂",
    "int": "∫",
    "log": " log ",
    "sum": "Σ ",
}


def draw_page(text: str, condition: str, width: int) -> Iterator[Line]:
    """Draw a page for a screen.

    Args:
        text: the page, in Markdown.
        condition: what stands for its displayed formula.
        width: of the screen.
    """
    text = _DISPLAY.sub(lambda _: f"```\n{condition}\n```\n", _COMMENT.sub("", text))
    last = 0
    for fence in _FENCE.finditer(text):
        yield from _prose(text[last : fence.start()], width)
        yield "plain", ""
        yield from (("note", f"  {line}".rstrip()) for line in fence[1].splitlines())
        last = fence.end()
    yield from _prose(text[last:], width)


def formula(latex: str) -> str:
    r"""Write a short formula in Unicode.

    >>> formula(r"e_0e^{-t_v/\tau}"), formula(r"\frac{w e_0}{p_v\tau}")
    ('e_0e^(-t_v/τ)', '(w e_0)/(p_vτ)')
    """
    text = re.sub(r"\\frac\{([^{}]*)\}\{([^{}]*)\}", r"(\1)/(\2)", latex)
    text = re.sub(r"\\text\{([^{}]*)\}", r"\1", text)
    text = re.sub(r"\\[,;! ]", " ", text)
    text = re.sub(r"\\([A-Za-z]+) ?", lambda m: _MACROS.get(m[1], m[1]), text)
    text = re.sub(r"\^\{([^{}]*)\}", r"^(\1)", text)
    return re.sub(r"\s+", " ", text.replace("{", "").replace("}", "")).strip()


def _prose(text: str, width: int) -> Iterator[Line]:
    for block in re.split(r"\n\s*\n", text.strip("\n")):
        if not block.strip():
            continue
        marks, _, title = block.partition(" ")
        heading = bool(marks) and not marks.strip("#")
        if marks != "#":
            yield "plain", ""
        said = _spoken(title if heading else " ".join(block.split()))
        yield from folded("title" if heading else "plain", said, width, "")


def _spoken(text: str) -> str:
    text = _INLINE.sub(lambda m: formula(m[1]), text)
    text = _LINK.sub(lambda m: f"{m[1]} ({m[2]})" if "://" in m[2] else m[1], text)
    return _EMPHASIS.sub(r"\2", text)
