// Signing in.
import { $ } from "./elements.mjs";

const role = () => document.querySelector("input[name=role]:checked").value;

function show() {
  const isApp = role() === "app";
  $("app-field").hidden = !isApp;
  $("app").required = isApp;
  $("secret-label").textContent = isApp ? "Secret" : "Administrator’s token";
}

/** Where to go after that: a page of the console, never another site. */
function next() {
  const wanted = new URLSearchParams(location.search).get("next") ?? "";
  return /^[a-z]+(\?[^#]*)?$/.test(wanted) ? wanted : "overview";
}

async function signIn() {
  const secret = $("secret").value.trim();
  const body = role() === "app" ? { app: $("app").value.trim(), secret } : { secret };
  const answer = await fetch("session", { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) });
  if (answer.ok) return location.assign(next());
  const { message } = await answer.json();
  throw new Error(message);
}

for (const input of document.querySelectorAll("input[name=role]")) input.onchange = show;
$("sign-in").onsubmit = async (submit) => {
  submit.preventDefault();
  $("problem").hidden = true;
  try {
    await signIn();
  } catch (error) {
    $("problem").textContent = error instanceof TypeError ? "The server does not answer. Is it running?" : error.message;
    $("problem").hidden = false;
    $("secret").select();
  }
};
show();
document.documentElement.dataset.ready = "yes";
