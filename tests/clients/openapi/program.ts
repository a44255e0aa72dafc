// Uses the server through types made from its document: a wrong path, parameter or member does not compile.
import createClient from "openapi-fetch";

import type { paths } from "./schema.js";

declare const process: { env: Record<string, string | undefined> };

function setting(name: string): string {
  const value = process.env[name];
  if (value === undefined) throw new Error(`${name} is not set`);
  return value;
}

const client = (token: string) =>
  createClient<paths>({ baseUrl: setting("PUSHI_URL"), headers: { Authorization: `Bearer ${token}` } });
const admin = client(setting("PUSHI_ADMIN"));
const session = client(setting("PUSHI_SESSION"));

const created = await admin.POST("/apps", { body: { name: "made by the generated client" } });
if (created.data === undefined) throw new Error(JSON.stringify(created.error));
const ident: string = created.data.ident;

const published = await session.POST("/events", {
  body: { channel: ["global"], event: "message", data: "from the generated client", persist: true },
});
if (published.data === undefined) throw new Error(JSON.stringify(published.error));
const result: string = published.data.result;

const subscribed = await session.POST("/subscriptions", { body: { user_id: "ann", event: "news" } });
if (subscribed.data === undefined) throw new Error(JSON.stringify(subscribed.error));
const listed = await session.GET("/subscriptions", { params: { query: { user_id: "ann" } } });
if (listed.data === undefined) throw new Error(JSON.stringify(listed.error));
const subscriptions: [string, string][] = listed.data.subscriptions.map((one) => [one.user_id, one.event]);

const missing = await admin.GET("/apps/{ident}", { params: { path: { ident: "no-such-app" } } });
if (missing.error === undefined) throw new Error("an app that is not there was answered");
const code: number = missing.error.code;

console.log(JSON.stringify({ created: ident, published: result, subscriptions, missing: code }));
