"use strict";
(() => {
  const root = document.documentElement;
  root.classList.add("js");

  // Light or dark: what the system says, until the button says otherwise.
  const button = document.getElementById("theme");
  const dark = () => root.dataset.theme
    ? root.dataset.theme === "dark"
    : matchMedia("(prefers-color-scheme: dark)").matches;
  const show = () => button.setAttribute("aria-pressed", String(dark()));
  button.addEventListener("click", () => {
    root.dataset.theme = dark() ? "light" : "dark";
    show();
  });
  show();

  // What a bar says, beside the pointer. Its words are in the figure's data too.
  const tip = document.getElementById("tip");
  const hide = () => { tip.hidden = true; };
  const say = (event) => {
    const mark = event.target.closest && event.target.closest(".chart .role-mark [aria-label]");
    if (!mark) return hide();
    tip.textContent = mark.getAttribute("aria-label");
    tip.hidden = false;
    const box = tip.getBoundingClientRect();
    const x = Math.min(event.clientX + 12, innerWidth - box.width - 8);
    const below = event.clientY + 16;
    tip.style.left = `${Math.max(x, 8)}px`;
    tip.style.top = `${below + box.height > innerHeight ? event.clientY - box.height - 10 : below}px`;
  };
  document.addEventListener("pointermove", say);
  document.addEventListener("pointerdown", say);
  document.addEventListener("scroll", hide, true);
  document.addEventListener("keydown", (event) => { if (event.key === "Escape") hide(); });

  // A cell as a number: 18.2k, $1,234, <0.01, 240 / 240 (by the first); texts stay texts.
  const SIZES = { k: 1e3, M: 1e6, G: 1e9, T: 1e12 };
  const value = (text) => {
    const found = /^<?(-?)\$?([\d,]*\.?\d+(?:e-?\d+)?)([kMGT]?)(?:\s|%|$)/.exec(text);
    if (!found) return null;
    const size = Number(found[2].replaceAll(",", "")) * (SIZES[found[3]] || 1);
    return found[1] ? -size : size;
  };
  const text = (body, column) => body.rows[0].cells[column].textContent.trim();

  const sort = (table, head, column) => {
    const down = head.getAttribute("aria-sort") === "descending";
    for (const other of head.parentNode.cells) other.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", down ? "ascending" : "descending");
    const sign = down ? 1 : -1;
    const bodies = [...table.tBodies].map((body) => {
      const shown = text(body, column);
      return { body, shown, number: value(shown) };
    });
    const numeric = head.classList.contains("right");
    bodies.sort((a, b) => {
      if (!numeric) return sign * a.shown.localeCompare(b.shown, "en", { numeric: true });
      if (a.number === null || b.number === null) {
        return (a.number === null) - (b.number === null); // what is not known stands last
      }
      return sign * (a.number - b.number);
    });
    table.append(...bodies.map((entry) => entry.body));
  };

  for (const table of document.querySelectorAll("table")) {
    if (table.tBodies.length < 2) continue;
    [...table.tHead.rows[0].cells].forEach((head, column) => {
      const press = document.createElement("button");
      press.type = "button";
      press.append(...head.childNodes);
      head.append(press);
      press.addEventListener("click", () => sort(table, head, column));
    });
  }

  for (const input of document.querySelectorAll(".filter input")) {
    const bodies = input.closest(".table").querySelector("table").tBodies;
    input.addEventListener("input", () => {
      const wanted = input.value.trim().toLowerCase();
      for (const body of bodies) body.hidden = !body.textContent.toLowerCase().includes(wanted);
    });
  }
})();
