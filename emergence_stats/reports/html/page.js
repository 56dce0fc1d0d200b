// The page is whole without this: it sorts, filters, opens what a link leads to, and saves pictures and tables.
const data = JSON.parse(document.querySelector("#results-json").textContent);
const $$ = (selector, within = document) => [...within.querySelectorAll(selector)];
const claims = $$("details.claim[data-verdict]");

// --- filters: of the summary, the contents and the claims alike
const boxes = $$("#page-filters input[type=checkbox]");
const words = document.querySelector("#page-filters input[type=search]");

function filter() {
  const shown = new Set(boxes.filter((box) => box.checked).map((box) => box.value));
  const wanted = words.value.toLowerCase();
  for (const row of $$("#page-summary tbody tr")) {
    const hidden = !shown.has(row.dataset.verdict) || !row.textContent.toLowerCase().includes(wanted);
    row.hidden = hidden;
    document.getElementById(row.dataset.name).hidden = hidden;
    for (const item of $$("#page-contents li")) if (item.dataset.name === row.dataset.name) item.hidden = hidden;
  }
}
document.querySelector("#page-filters").hidden = false;
for (const input of [...boxes, words]) input.addEventListener("input", filter);

// --- sorting, by the buttons in the head of the summary
function sort(head) {
  const descending = head.getAttribute("aria-sort") === "ascending";
  for (const other of $$("#page-summary thead th")) other.removeAttribute("aria-sort");
  head.setAttribute("aria-sort", descending ? "descending" : "ascending");
  const key = head.dataset.key, sign = descending ? -1 : 1;
  const rows = $$("#page-summary tbody tr");
  rows.sort((a, b) => sign * a.dataset[key].localeCompare(b.dataset[key], "en", { numeric: true }));
  document.querySelector("#page-summary tbody").append(...rows);
}
for (const head of $$("#page-summary thead th[data-key]")) {
  const button = document.createElement("button");
  button.textContent = head.textContent;
  button.addEventListener("click", () => sort(head));
  head.replaceChildren(button);
}

// --- claims: what a link leads to is opened, with all that it lies in
function reveal() {
  const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  for (let part = target; part; part = part.parentElement) if (part.tagName === "DETAILS") part.open = true;
  if (target) target.scrollIntoView();
}
addEventListener("hashchange", reveal);
for (const button of $$("button[data-open]")) {
  button.addEventListener("click", () => { for (const part of $$("details.claim")) part.open = button.dataset.open === "true"; });
}
// traces are drawn once, and shown in each claim that looks at them
function fill(claim) {
  for (const place of $$("[data-figure]", claim)) {
    const figure = document.getElementById(place.dataset.figure).cloneNode(true);
    figure.removeAttribute("id");
    place.replaceWith(figure);
  }
}
for (const claim of claims) {
  claim.addEventListener("toggle", () => { if (claim.open) fill(claim); });
  if (claim.open) fill(claim);
}
addEventListener("beforeprint", () => { for (const claim of claims) claim.open = true; });

// --- saving
const result = (name) => data.results.find((one) => one.name === name);
const ends = (pair) => (pair ? pair : [null, null]);
const TABLES = {
  effects(names) {
    const rows = [["claim", "prediction", "estimate", "ci_low", "ci_high", "level", "region_low", "region_high", "p", "n_runs", "verdict"]];
    for (const one of names ? [result(names)] : data.results) {
      for (const p of one.predictions) {
        rows.push([one.name, p.name, p.estimate, ...ends(p.interval), p.level, ...p.region, p.p_value, p.n_runs, p.verdict]);
      }
    }
    return rows;
  },
  units(name, number) {
    const p = result(name).predictions[number];
    return [["unit", "runs", "value"], ...p.values.map((v) => [v.unit, v.runs.join(" "), v.value])];
  },
  traces(number) {
    const rows = [["run", "task", "step", data.traces[number].measure]];
    for (const line of data.traces[number].lines) {
      const steps = data.traces[number].steps[line.steps];
      line.values.forEach((value, i) => rows.push([line.run, line.task, steps[i], value]));
    }
    return rows;
  },
  analyses(name) {
    const curve = result(name).multiverse.curve;
    const rows = [[...curve.choices.map((c) => c.name), "estimate", "ci_low", "ci_high", "verdict"]];
    for (const text of curve.analyses) {
      const [chosen, ...numbers] = text.split(" ");
      const at = Object.fromEntries(chosen.split(",").map((part) => part.split("=")));
      rows.push([...curve.choices.map((c) => c.values[at[c.name]]), ...numbers.map((n) => (n === "-" ? null : n))]);
    }
    return rows;
  },
  power(name) {
    const rows = result(name).power.rows;
    return [Object.keys(rows[0]), ...rows.map((row) => Object.values(row))];
  },
};

function csv(rows) {
  const cell = (value) => {
    let text = value === null || value === undefined ? "" : String(value);
    if (typeof value === "string" && /^[=+@\t\r-]/.test(text) && Number.isNaN(Number(text))) text = `'${text}`; // a spreadsheet would run it as a formula
    return /[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  };
  return rows.map((row) => row.map(cell).join(",")).join("\n") + "\n";
}

// A picture alone has no page to take its colours from.
function alone(svg) {
  const style = getComputedStyle(document.documentElement);
  const rules = document.querySelector("#chart-style").textContent;
  const names = [...new Set(rules.match(/--\w+/g))];
  const copy = svg.cloneNode(true);
  copy.setAttribute("xmlns", "http://www.w3.org/2000/svg");
  for (const link of $$("a", copy)) link.replaceWith(...link.childNodes);
  const sheet = document.createElementNS("http://www.w3.org/2000/svg", "style");
  sheet.textContent = `svg{${names.map((n) => `${n}:${style.getPropertyValue(n)}`).join(";")}}${rules}`;
  copy.prepend(sheet);
  return new XMLSerializer().serializeToString(copy);
}

// The strips of a table as one picture, below one another with the names of their rows.
function forest(table) {
  const rows = $$("tbody tr", table).filter((row) => !row.hidden && row.querySelector("svg"));
  const whole = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  const set = (element, values) => { for (const [name, value] of Object.entries(values)) element.setAttribute(name, value); };
  const height = 40;
  set(whole, { viewBox: `0 0 520 ${height * rows.length + 8}`, width: 520, height: height * rows.length + 8 });
  rows.forEach((row, i) => {
    const text = document.createElementNS("http://www.w3.org/2000/svg", "text");
    set(text, { x: 4, y: height * i + 20 });
    text.textContent = row.dataset.name ?? row.querySelector("th").textContent;
    const strip = row.querySelector("svg").cloneNode(true);
    set(strip, { x: 252, y: height * i + 4, width: 260, height: 34 });
    whole.append(text, strip);
  });
  return whole;
}

function save(title, text, kind) {
  const name = title.replace(/[^\w.-]+/g, "-");
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type: kind }));
  link.download = name;
  link.click();
  URL.revokeObjectURL(link.href);
}

for (const place of $$("[data-save]")) {
  const tools = document.createElement("span");
  tools.className = "tools";
  for (const kind of place.dataset.csv ? ["SVG", "CSV"] : ["SVG"]) {
    const button = document.createElement("button");
    button.textContent = kind;
    button.dataset.kind = kind;
    button.setAttribute("aria-label", `Save ${place.dataset.save} as ${kind}`);
    tools.append(button);
  }
  (place.querySelector("figcaption") ?? place).append(" ", tools);
}
document.addEventListener("click", (event) => {
  const button = event.target.closest("button[data-kind]");
  if (!button) return;
  const place = button.closest("[data-save]"), name = place.dataset.save;
  if (button.dataset.kind === "CSV") {
    const [table, ...of] = JSON.parse(place.dataset.csv);
    save(`${name}.csv`, csv(TABLES[table](...of)), "text/csv");
  } else {
    const table = place.querySelector("table");
    save(`${name}.svg`, alone(table ? forest(table) : place.querySelector("svg")), "image/svg+xml");
  }
});
if (location.hash) reveal();
