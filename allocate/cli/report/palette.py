"""The colours of a report, each with a light and a dark face.

A chart is drawn once, in the light colours; the style sheet gives each of them its dark face. The
series are the colours of Okabe and Ito for the colour-blind, the pale ones darkened until they
stand out from white by 3:1.
"""

from __future__ import annotations

SERIES = {
    "blue": ("#0072b2", "#4aa3df"),
    "orange": ("#d55e00", "#f0803c"),
    "green": ("#009e73", "#2fbf95"),
    "purple": ("#b8569a", "#e08fc4"),
    "gold": ("#b8860b", "#f0c24b"),
    "sky": ("#3a93c9", "#8fd0f5"),
    "olive": ("#7a6a00", "#c9bb5a"),
}
SHADES = {
    "paper": ("#ffffff", "#15191e"),
    "ink": ("#1c2128", "#e6edf3"),
    "muted": ("#59636e", "#a3adb8"),
    "grid": ("#dde2e7", "#333b44"),
    "grey": ("#767676", "#8b949e"),
}
STEPS = {  # from nothing to most; words stand on the first four in ink, on the others in paper
    "step0": ("#f1f3f5", "#20272f"),
    "step1": ("#d3e4f3", "#1d3a57"),
    "step2": ("#a6cbe8", "#24527d"),
    "step3": ("#74aedb", "#2f6ba3"),
    "step4": ("#2a6fad", "#7fb8ea"),
    "step5": ("#0b3f78", "#c9e4fb"),
}
DARK_FROM = 4
COLOURS = SERIES | SHADES | STEPS


def light(name: str) -> str:
    """Return the colour that a chart is drawn in."""
    return COLOURS[name][0]


def series(count: int) -> list[str]:
    """Return the first colours of the series, as a chart is drawn in them."""
    return [faces[0] for faces in SERIES.values()][:count]


def style() -> str:
    """Write the style sheet's variables and the rules that turn a chart's colours."""
    light_face = "".join(f"--{name}:{faces[0]};" for name, faces in COLOURS.items())
    dark_face = "".join(f"--{name}:{faces[1]};" for name, faces in COLOURS.items())
    turned = "".join(
        f'.chart svg [{part}="{faces[0]}"]{{{part}:var(--{name})}}'
        for name, faces in COLOURS.items()
        for part in ("fill", "stroke")
    )
    return (
        f":root{{color-scheme:light;{light_face}}}\n"
        "@media screen and (prefers-color-scheme:dark){:root:not([data-theme=light])"
        f"{{color-scheme:dark;{dark_face}}}}}\n"
        f"@media screen{{:root[data-theme=dark]{{color-scheme:dark;{dark_face}}}}}\n"
        f"{turned}\n"
    )
