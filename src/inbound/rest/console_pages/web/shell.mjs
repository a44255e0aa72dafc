// What all pages share: who is signed in, the chosen app, problems, and the question before something is destroyed.
import { ApiError, api, currentSession, path } from "./api.mjs";
import { $, h } from "./elements.mjs";

const CHOSEN = "pushi-console-app";

/** Shows what went wrong; null: nothing any more. */
export function problem(error) {
  $("problem").hidden = !error;
  $("problem").textContent = error ? error.message : "";
}

/** Says what was done. */
export const notice = (text) => ($("notice").textContent = text);

/** Runs an action of the user: its errors are shown, its button is disabled meanwhile. */
export async function run(action, button) {
  problem(null);
  notice("");
  if (button) button.disabled = true;
  try {
    return await action();
  } catch (error) {
    if (error.name !== "AbortError") problem(error);
    return undefined;
  } finally {
    if (button) button.disabled = false;
  }
}

/** The signal for a request: it ends the one before, whose answer would be shown in place of a later one. */
export function latest() {
  let controller;
  return () => {
    controller?.abort();
    controller = new AbortController();
    return controller.signal;
  };
}

/** A name as it can be typed: a field has one line, and keyboards compose letters differently. */
const typeable = (name) => name.normalize().replace(/\s+/g, " ").trim();

/** Asks once. With `name`, that must be typed. Answers whether it was confirmed. */
export function confirmed({ title, text, action, name }) {
  const dialog = $("confirm");
  $("confirm-title").textContent = title;
  $("confirm-text").textContent = text;
  const button = $("confirm-button");
  button.textContent = action;
  $("confirm-name-label").hidden = !name;
  $("confirm-name").value = "";
  $("confirm-name-text").textContent = name ? `Type “${name}” to confirm` : "";
  const check = () => (button.disabled = Boolean(name) && typeable($("confirm-name").value) !== typeable(name));
  $("confirm-name").oninput = check;
  check();
  dialog.returnValue = "cancel";
  dialog.showModal();
  // The first button of a form is what Enter presses: here it does no harm.
  return new Promise((done) => dialog.addEventListener("close", () => done(dialog.returnValue === "confirm" && !button.disabled), { once: true }));
}

/** Repeats `refresh` every `seconds` while the page is visible. */
export function repeat(refresh, seconds) {
  const again = async () => {
    if (!document.hidden) await refresh().then(() => problem(null), (error) => error.name !== "AbortError" && problem(error));
    setTimeout(again, seconds * 1000);
  };
  setTimeout(again, seconds * 1000);
}

// A page that the browser kept may be of somebody who has signed out meanwhile, and its requests have ended.
addEventListener("pageshow", (shown) => shown.persisted && location.reload());

/** The query of the page's address. */
export const query = () => new URLSearchParams(location.search);

/** Changes the query of the address without loading the page again. */
export function remember(name, value) {
  const changed = query();
  if (value) changed.set(name, value);
  else changed.delete(name);
  history.replaceState(null, "", `?${changed}`);
}

function keepChosen(ident) {
  try {
    sessionStorage.setItem(CHOSEN, ident);
  } catch {
    // A browser may forbid storage.
  }
}

function lastChosen() {
  try {
    return sessionStorage.getItem(CHOSEN);
  } catch {
    return null;
  }
}

/** The app that the page is about, chosen in its head. Null: there is none. */
async function chosenApp(session) {
  const picker = $("app-picker");
  const { apps } = await api(path("apps", { count: 1000 }));
  const asked = query().get("app");
  const listed = (ident) => apps.find((app) => app.ident === ident);
  let chosen = asked === null ? (listed(lastChosen()) ?? apps[0]) : listed(asked);
  if (!chosen && asked !== null) {
    chosen = await api(path("apps", asked)).catch((error) => {
      if (error.status !== 404) throw error;
      return null;
    });
    if (chosen) apps.push(chosen);
    else if (apps.length > 0) picker.append(h("option", { value: "", selected: true, disabled: true }, "Choose an app"));
  }
  picker.append(...apps.map((app) => h("option", { value: app.ident, selected: app === chosen }, `${app.name} (${app.ident})`)));
  picker.disabled = session.role === "app";
  picker.onchange = () => {
    keepChosen(picker.value);
    location.search = `?${new URLSearchParams({ app: picker.value })}`;
  };
  if (!chosen && apps.length > 0) throw new ApiError(404, `There is no app “${asked}” any more: choose another one.`);
  if (chosen) keepChosen(chosen.ident);
  return chosen ?? null;
}

/** Starts a page: `begin(session, app)`, with the app where the page is about one. */
export async function start(begin) {
  const session = await currentSession().catch(problem);
  if (!session) return;
  const isAdministrator = session.role === "administrator";
  $("who").textContent = isAdministrator ? "Administrator" : session.app_name;
  $("who").title = isAdministrator ? "All apps" : session.app;
  $("sign-out").onclick = () =>
    run(async () => {
      await api("console/session", { method: "DELETE" });
      location.assign("sign-in");
    }, $("sign-out"));
  await run(async () => {
    let app;
    if ($("main").dataset.ofApp) {
      app = await chosenApp(session);
      if (!app) {
        $("app-picker").closest("label").hidden = true;
        $("main").append(h("p", { className: "empty" }, "There is no app yet. ", h("a", { href: "apps" }, "Create one"), "."));
        return;
      }
    }
    await begin(session, app);
    $("content").hidden = false;
  });
  document.documentElement.dataset.ready = "yes";
}
