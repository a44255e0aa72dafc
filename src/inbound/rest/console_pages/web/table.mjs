// Tables that sort and filter.
import { h } from "./elements.mjs";

let tables = 0;

/** What a column sorts by, and what the filter reads. */
const valueOf = (column, row) => (column.value ? column.value(row) : row[column.key]);

/** What a cell shows. */
const cellOf = (column, row) => (column.cell ? column.cell(row) : (valueOf(column, row) ?? "–"));

function compare(a, b) {
  if (typeof a === "number" && typeof b === "number") return a - b;
  return String(a ?? "").localeCompare(String(b ?? ""), undefined, { numeric: true });
}

/**
 * A table for `rows`, which `update(rows)` shows. A column is `{label, key | value(row), cell(row), kind, fresh}`: `kind` is number
 * or short, `fresh` means that the cell is drawn again by each update. `id(row)` identifies a row: its cells stay while their values
 * stay, and so does the focus in them. `empty`: what to do where there are no rows.
 */
export function table({ caption, columns, id, empty, sort, filter = true }) {
  const number = ++tables;
  let rows = [];
  let sorted = sort ?? { column: undefined, descending: false };
  const drawn = new Map(); // by id: the row's element and the values that its cells show

  const heads = columns.map((column) => {
    const props = { scope: "col", className: column.kind ?? "" };
    if (column.plain) return h("th", props, column.label ? h("span", {}, column.label) : "");
    const toggle = () => {
      const again = sorted.column === column.label;
      sorted = { column: column.label, descending: again ? !sorted.descending : column.kind === "number" };
      draw();
    };
    return h("th", props, h("button", { type: "button", onclick: toggle }, column.label));
  });
  const body = h("tbody");
  const field = h("input", { type: "search", id: `filter-${number}`, placeholder: "Filter these rows", autocomplete: "off", oninput: () => draw() });
  field.setAttribute("aria-label", `Filter: ${caption}`);
  const count = h("span", { className: "quiet", role: "status" });
  const tools = h("div", { className: "table-tools" }, filter && field, count);
  const grid = h("table", {}, h("caption", {}, caption), h("thead", {}, h("tr", {}, heads)), body);
  const none = h("p", { className: "empty" }, empty);
  const element = h("div", { className: "table" }, tools, grid, none);

  function rowOf(row) {
    const key = id(row);
    const values = columns.map((column) => JSON.stringify([valueOf(column, row), column.shows?.(row)]));
    const known = drawn.get(key);
    if (!known) {
      const cells = columns.map((column) => h("td", { className: column.kind ?? "", "data-label": column.label }, cellOf(column, row)));
      const line = h("tr", {}, cells);
      drawn.set(key, { line, values });
      return line;
    }
    columns.forEach((column, index) => {
      if (column.fresh || known.values[index] !== values[index]) known.line.cells[index].replaceChildren(...[cellOf(column, row)].flat());
    });
    known.values = values;
    return known.line;
  }

  function draw() {
    const text = field.value.trim().toLowerCase();
    const fits = (row) => columns.some((column) => String(column.text?.(row) ?? valueOf(column, row) ?? "").toLowerCase().includes(text));
    let shown = text ? rows.filter(fits) : [...rows];
    const column = columns.find(({ label }) => label === sorted.column);
    if (column) {
      const direction = sorted.descending ? -1 : 1;
      shown.sort((a, b) => direction * compare(valueOf(column, a), valueOf(column, b)));
    }
    columns.forEach((one, index) => {
      if (one.plain) return;
      const order = sorted.descending ? "descending" : "ascending";
      heads[index].setAttribute("aria-sort", one === column ? order : "none");
    });
    const lines = shown.map(rowOf);
    // Moving an element takes the focus from it.
    if (lines.length !== body.rows.length || lines.some((line, index) => line !== body.rows[index])) {
      const focused = body.contains(document.activeElement) ? document.activeElement : undefined;
      body.replaceChildren(...lines);
      if (focused?.isConnected) focused.focus();
    }
    tools.hidden = rows.length < 2;
    count.textContent = text ? `${shown.length} of ${rows.length} rows` : `${rows.length} rows`;
    grid.hidden = rows.length === 0;
    none.hidden = rows.length > 0;
  }

  function update(next) {
    rows = next;
    const ids = new Set(rows.map(id));
    for (const key of drawn.keys()) if (!ids.has(key)) drawn.delete(key);
    draw();
  }

  draw();
  return { element, update };
}
