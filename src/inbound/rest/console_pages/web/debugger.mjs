// Checking a signature: which part is wrong, and what should have been signed.
import { api } from "./api.mjs";
import { $, badge, h } from "./elements.mjs";
import { run, start } from "./shell.mjs";

const KINDS = { channel: "subscription", user: "sign-in", request: "request" };

function show(found) {
  const { valid, kind, app, problems } = found;
  $("verdict").hidden = false;
  const what = `The signature of this ${KINDS[kind] ?? kind}`;
  const text = valid ? `${what} is right${app ? `, for the app ${app}` : ""}.` : `${what} is wrong.`;
  $("outcome").replaceChildren(badge(valid ? "right" : "wrong", valid ? "good" : "bad"), ` ${text}`);
  $("problems").replaceChildren(...problems.map(({ part, message }) => h("li", {}, h("code", {}, part), " ", message)));
  $("problems").hidden = problems.length === 0;
  const toSign = found.string_to_sign ?? null;
  $("to-sign").hidden = toSign === null;
  $("string-to-sign").textContent = toSign ?? "";
  $("verdict").scrollIntoView({ block: "nearest" });
}

const check = async (body) => show(await api("signatures/check", { method: "POST", body }));

function subscription() {
  const value = (id) => $(id).value.trim();
  const [channel, data] = [value("channel"), $("channel-data").value];
  const body = { key: value("key") || value("auth").split(":")[0], auth: value("auth"), socket_id: value("socket") };
  // Data is signed as it is, spaces included.
  if (channel) return { ...body, channel, channel_data: data === "" ? null : data };
  return { ...body, user_data: data };
}

function request() {
  const target = $("target").value.trim();
  const { pathname, search } = new URL(target, "http://server.invalid");
  return { method: $("method").value, path: pathname, query: search.slice(1), body: $("body").value === "" ? null : $("body").value };
}

for (const [id, read] of [["subscription", subscription], ["request", request]]) {
  $(id).onsubmit = (submit) => {
    submit.preventDefault();
    $("verdict").hidden = true;
    run(async () => check(read()), $(id).querySelector("button"));
  };
}
start(async () => {});
