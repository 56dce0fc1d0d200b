// Filters of the summary. The page is whole without them.
const rows = [...document.querySelectorAll("#summary tbody tr")];
const boxes = [...document.querySelectorAll("#filters input[type=checkbox]")];
const words = document.querySelector("#filters input[type=search]");

function filter() {
  const shown = new Set(boxes.filter((box) => box.checked).map((box) => box.value));
  const wanted = words.value.toLowerCase();
  for (const row of rows) {
    row.hidden = !shown.has(row.dataset.verdict) || !row.textContent.toLowerCase().includes(wanted);
  }
}

document.querySelector("#filters").hidden = false;
for (const input of [...boxes, words]) input.addEventListener("input", filter);
addEventListener("beforeprint", () => {
  for (const part of document.querySelectorAll("details")) part.open = true;
});
