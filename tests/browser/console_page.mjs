// The console's pages as a person uses them.
import { ADMIN_TOKEN } from "../clients/node/server.mjs";
import { until } from "./web_browser.mjs";

export const administrator = { secret: ADMIN_TOKEN };

/** The page has read what it shows. */
export const ready = (page) => until(page, () => document.documentElement.dataset.ready === "yes" && !document.querySelector("#content[hidden]"));

/** Signs in with `{app, secret}`, or with the administrator's token alone. */
export async function signIn(page, server, { app, secret }) {
  await page.context().clearCookies();
  await page.goto(`${server.url}/console`);
  await page.waitForURL(/sign-in/);
  if (app) await page.locator("#app").fill(app);
  else await page.locator("input[value=administrator]").check();
  await page.locator("#secret").fill(secret);
  await page.locator("#sign-in button").click();
  await page.waitForURL(/overview/);
  await ready(page);
}

/** Opens a page about an app. */
export async function go(page, server, name, query) {
  await page.goto(`${server.url}/console/${name}?${new URLSearchParams(query)}`);
  await ready(page);
}

/** Confirms the question that is shown. */
export const confirm = (page) => page.locator("#confirm-button:enabled").click();
