// Elements whose text is always text: names and payloads are other people's.

/** The element with this id. */
export const $ = (id) => document.getElementById(id);

/** A new element. Properties that begin with `on` are handlers, and those with a dash are attributes; children are nodes or texts. */
export function h(name, properties = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(properties)) {
    if (value === undefined || value === null || value === false) continue;
    if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else if (key.includes("-") || key === "for") element.setAttribute(key, value);
    else element[key] = value;
  }
  element.append(...children.flat().filter((child) => child !== undefined && child !== null && child !== false));
  return element;
}

/** The pairs of a list of facts; what is empty is left out. */
export function facts(list, pairs) {
  const items = pairs.filter(([, value]) => value !== undefined && value !== null && value !== "");
  list.replaceChildren(...items.flatMap(([term, value]) => [h("dt", {}, term), h("dd", {}, value)]));
}

const DAY = 86_400_000; // ms

/** A time in the reader's zone, its exact value in the title. `seconds` since 1970; null: a dash. */
export function time(seconds) {
  if (seconds === null || seconds === undefined) return "–";
  const date = new Date(seconds * 1000);
  const isRecent = Math.abs(Date.now() - date) < DAY && date.getDate() === new Date().getDate();
  const style = isRecent ? { timeStyle: "medium" } : { dateStyle: "medium", timeStyle: "short" };
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  const title = `${date.toISOString()} (UTC); ${date.toLocaleString(undefined, { dateStyle: "full", timeStyle: "medium" })}, ${zone}`;
  return h("time", { dateTime: date.toISOString(), title }, new Intl.DateTimeFormat(undefined, style).format(date));
}

/** A duration in words: 340 ms, 12.3 s, 4 min 10 s, 2 h 5 min, 3 d 4 h. */
export function duration(seconds) {
  if (seconds === null || seconds === undefined) return "–";
  if (seconds < 1) return `${Math.max(0, Math.round(seconds * 1000))} ms`;
  if (seconds < 60) return `${Number(seconds.toFixed(1))} s`;
  const whole = Math.round(seconds);
  const parts = (large, name, small, lesser) => {
    const rest = Math.floor((whole % large) / small);
    return `${Math.floor(whole / large)} ${name}${rest ? ` ${rest} ${lesser}` : ""}`;
  };
  if (whole < 3600) return parts(60, "min", 1, "s");
  if (whole < 86_400) return parts(3600, "h", 60, "min");
  return parts(86_400, "d", 3600, "h");
}

/** The age of something, which grows while the page is shown: its moment is in the title. */
export function age(seconds) {
  if (seconds === null || seconds === undefined) return "–";
  const shown = time(seconds);
  shown.textContent = duration(Math.max(0, Date.now() / 1000 - seconds));
  return shown;
}

/** A number with at most one decimal, and separators. */
export const number = (value) => (value ?? null) === null ? "–" : value.toLocaleString(undefined, { maximumFractionDigits: value < 10 ? 1 : 0 });

/** A number of bytes. */
export function bytes(count) {
  if (count < 1024) return `${count} B`;
  return count < 1_048_576 ? `${(count / 1024).toFixed(1)} KiB` : `${(count / 1_048_576).toFixed(1)} MiB`;
}

/** A label with a colour of its meaning: good, bad, warn or none. */
export const badge = (text, meaning = "") => h("span", { className: `badge ${meaning}` }, text);

/** Whether a text is JSON. */
export function isJson(text) {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

/** The strings of JSON, its punctuation, and its other values. */
const TOKEN = /"(?:[^"\\]|\\.)*"|[[\]{},:]|[^\s[\]{},:"]+/g;
const DEEPEST = 100;

/** JSON with a line for each value. Its numbers stay as they are written: those of JavaScript have fewer digits. */
function indented(json) {
  let [text, depth, before] = ["", 0, ""];
  const line = () => `\n${"  ".repeat(Math.min(depth, DEEPEST))}`;
  for (const [token] of json.matchAll(TOKEN)) {
    const closes = token === "]" || token === "}";
    if (closes) depth -= 1;
    if (closes ? !"[{".includes(before) : ["[", "{", ","].includes(before)) text += line();
    text += token === ":" ? ": " : token;
    if (token === "[" || token === "{") depth += 1;
    before = token;
  }
  return text;
}

/** Payloads as they are read best: JSON is indented. */
export function payload(data) {
  const text = typeof data === "string" ? data : JSON.stringify(data);
  return /^\s*[[{]/.test(text) && isJson(text) ? indented(text) : text;
}

/** One line of a payload. */
export function preview(data) {
  const text = typeof data === "string" ? data : JSON.stringify(data);
  return (text ?? "").slice(0, 200).toWellFormed();
}

/** A text with a button that copies it. */
export function copyable(text, what) {
  const button = h("button", { type: "button", className: "plain small", "aria-label": `Copy ${what}` }, "Copy");
  button.onclick = async () => {
    try {
      await navigator.clipboard.writeText(text);
      button.textContent = "Copied";
    } catch {
      button.textContent = "Not allowed here";
    }
    setTimeout(() => (button.textContent = "Copy"), 2000);
  };
  return [h("code", {}, text), button];
}

/** A secret: shown on demand. */
export function hiddenText(text, what) {
  const code = h("code", {}, "••••••••••••");
  const show = h("button", { type: "button", className: "plain small", "aria-label": `Show ${what}`, "aria-pressed": "false" }, "Show");
  const [, copy] = copyable(text, what);
  show.onclick = () => {
    const isShown = show.getAttribute("aria-pressed") === "true";
    code.textContent = isShown ? "••••••••••••" : text;
    show.textContent = isShown ? "Show" : "Hide";
    show.setAttribute("aria-pressed", String(!isShown));
  };
  return [code, show, copy];
}

/** Saves a text as a file. */
export function download(name, type, text) {
  const link = h("a", { download: name, href: URL.createObjectURL(new Blob([text], { type })) });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}
