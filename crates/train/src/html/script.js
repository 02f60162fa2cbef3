"use strict";
(() => {
  const all = (selector, root = document) => Array.from(root.querySelectorAll(selector));
  const make = (name, attributes = {}, text = "") => {
    const element = document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
    element.textContent = text;
    return element;
  };

  // Long lists show their start until asked for the rest.
  const fold = (list, items, after) => {
    const short = Number(list.dataset.short);
    if (!short || items().length <= short + 3) return;
    let open = false;
    const button = make("button", { class: "more", type: "button", "aria-expanded": "false" });
    const show = () => {
      items().forEach((item, place) => { item.hidden = !open && place >= short; });
      button.textContent = open ? "Show fewer" : `Show all ${items().length}`;
      button.setAttribute("aria-expanded", String(open));
    };
    button.addEventListener("click", () => { open = !open; show(); });
    after.after(button);
    list.addEventListener("refold", show);
    list.addEventListener("unfold", () => { open = true; show(); });
    show();
  };

  // Tables are sorted by the heading that is pressed.
  const sortable = (table) => {
    const body = table.tBodies[0];
    all("thead th", table).forEach((heading, column) => {
      if (!heading.textContent) return;
      const button = make("button", { type: "button" }, heading.textContent);
      heading.replaceChildren(button);
      button.addEventListener("click", () => {
        const rising = heading.getAttribute("aria-sort") !== "ascending";
        all("thead th", table).forEach((other) => other.removeAttribute("aria-sort"));
        heading.setAttribute("aria-sort", rising ? "ascending" : "descending");
        const key = (row) => row.cells[column].dataset.sort;
        const text = (row) => row.cells[column].textContent;
        const compare = (a, b) => key(a) === undefined ? text(a).localeCompare(text(b)) : key(a) - key(b);
        const rows = Array.from(body.rows).sort((a, b) => (rising ? 1 : -1) * compare(a, b));
        body.append(...rows);
        table.dispatchEvent(new Event("refold"));
      });
    });
  };
  all("table").forEach((table) => {
    sortable(table);
    fold(table, () => Array.from(table.tBodies[0].rows), table.parentElement);
  });
  all(".mistakes").forEach((list) => fold(list, () => Array.from(list.children), list));

  // Rows whose heading holds what is typed.
  all(".filterable").forEach((holder) => {
    const table = holder.querySelector("table");
    const rows = Array.from(table.tBodies[0].rows);
    if (rows.length < 15) return;
    const label = make("label", { class: "filter" }, "Find a label ");
    const input = make("input", { type: "search" });
    label.append(input);
    holder.prepend(label);
    input.addEventListener("input", () => {
      const wanted = input.value.trim().toLowerCase();
      if (!wanted) { table.dispatchEvent(new Event("refold")); return; }
      rows.forEach((row) => { row.hidden = !row.cells[0].textContent.toLowerCase().includes(wanted); });
    });
  });

  // The matrix says what is under the pointer.
  all(".readout").forEach((readout) => {
    const svg = readout.closest("figure").querySelector("svg");
    svg.addEventListener("pointerover", (event) => {
      const title = event.target.querySelector && event.target.querySelector("title");
      if (title && event.target !== svg) readout.textContent = title.textContent;
    });
  });

  // The threshold can be moved, for all labels or for one.
  all(".explorer").forEach((figure) => {
    const curves = JSON.parse(figure.querySelector(".curves").textContent);
    const sets = figure.dataset.sets === "true";
    const controls = figure.querySelector(".controls");
    const svg = figure.querySelector("svg");
    const lines = { kept: svg.querySelector(".curve.good"), right: svg.querySelector(".curve:not(.good)") };
    const across = svg.querySelectorAll(".grid");
    const left = Number(across[0].getAttribute("x1")), right = Number(across[0].getAttribute("x2"));
    const bottom = Number(across[0].getAttribute("y1")), top = Number(across[5].getAttribute("y1"));
    const choose = make("select", { "aria-label": "Label" });
    curves.forEach((curve, place) => choose.append(make("option", { value: place }, curve.label || "all labels")));
    const range = make("input", { type: "range", min: 0, max: 0.99, step: 0.01, value: 0.5 });
    const first = make("label", {}, "Threshold ");
    first.append(range);
    const second = make("label", {}, "Label ");
    second.append(choose);
    const output = make("output", { "aria-live": "polite" });
    const mark = document.createElementNS("http://www.w3.org/2000/svg", "line");
    mark.setAttribute("class", "here");
    svg.append(mark);
    controls.append(first, second, output);
    controls.hidden = false;
    const shares = (curve, point) => ({
      right: point[1] ? point[2] / point[1] : NaN,
      kept: (sets ? point[2] : point[1]) / curve.wanted,
    });
    const percent = (share) => Number.isNaN(share) ? "none" : `${(share * 100).toFixed(share < 0.995 ? 0 : 1)} %`;
    const at = (threshold, share) => `${left + threshold * (right - left)},${bottom + Math.min(share, 1) * (top - bottom)}`;
    const show = () => {
      const curve = curves[Number(choose.value)];
      const threshold = Number(range.value);
      const points = curve.points;
      const near = points.reduce((best, point) => Math.abs(point[0] - threshold) < Math.abs(best[0] - threshold) ? point : best);
      const { right: correct, kept } = shares(curve, near);
      lines.kept.setAttribute("points", points.map((point) => at(point[0], shares(curve, point).kept)).join(" "));
      lines.right.setAttribute("points", points.filter((point) => point[1]).map((point) => at(point[0], shares(curve, point).right)).join(" "));
      const x = left + near[0] * (right - left);
      for (const [key, value] of [["x1", x], ["x2", x], ["y1", bottom], ["y2", top]]) mark.setAttribute(key, value);
      output.textContent = sets
        ? `From ${near[0].toFixed(2)} up: ${percent(correct)} of the labels given are right, and ${percent(kept)} of the true ones are found.`
        : `From ${near[0].toFixed(2)} up: ${near[1]} answers for ${curve.wanted} rows (${percent(kept)}), ${percent(correct)} of them right.`;
    };
    range.addEventListener("input", show);
    choose.addEventListener("change", show);
    show();
  });

  // Paper gets everything.
  window.addEventListener("beforeprint", () => {
    all("details").forEach((details) => { details.open = true; });
    all("table, .mistakes").forEach((list) => list.dispatchEvent(new Event("unfold")));
  });

  // The part being read is marked in the list of parts.
  if ("IntersectionObserver" in window) {
    const links = new Map(all("nav a").map((link) => [link.hash.slice(1), link]));
    const observer = new IntersectionObserver((entries) => {
      entries.filter((entry) => entry.isIntersecting).forEach((entry) => {
        links.forEach((link) => link.removeAttribute("aria-current"));
        const link = links.get(entry.target.id);
        if (link) link.setAttribute("aria-current", "true");
      });
    }, { rootMargin: "-20% 0px -70% 0px" });
    all("section").forEach((section) => observer.observe(section));
  }
})();
