// Fixtures of the tests with Pusher's libraries: an app, its back end, and clients.
import { createServer } from "node:http";
import { once } from "node:events";

import PusherServer from "pusher";
import Pusher from "pusher-js";

import { waitUntil } from "../node/server.mjs";

export const options = { timeout: 60_000 };

/** The 32 bytes from which the keys of encrypted channels are made. */
const MASTER_KEY = Buffer.alloc(32, 7).toString("base64");

/** An app with a back end that runs Pusher's own server library, as its users' back ends do. */
export class House {
  /** `settings` are the app's. */
  static async open(server, settings = {}) {
    const house = new House();
    house.server = server;
    house.app = await server.createApp({ client_events: true, ...settings });
    const { ident: appId, key, secret } = house.app;
    house.backend = new PusherServer({
      appId,
      key,
      secret,
      host: "127.0.0.1",
      port: server.port,
      useTLS: false,
      encryptionMasterKeyBase64: MASTER_KEY,
    });
    house.clients = [];
    house.asked = [];
    house.http = createServer((request, response) => house.#answer(request, response));
    house.http.listen(0, "127.0.0.1");
    await once(house.http, "listening");
    house.authUrl = `http://127.0.0.1:${house.http.address().port}`;
    return house;
  }

  /** Signs what the client asks for, in the name of the user that its query names. */
  async #answer(request, response) {
    let text = "";
    for await (const piece of request.setEncoding("utf8")) text += piece;
    const { pathname, searchParams } = new URL(request.url, "http://localhost");
    const asked = Object.fromEntries(new URLSearchParams(text));
    const id = searchParams.get("user") ?? "ann";
    const user = searchParams.has("number") ? Number(id) : id;
    this.asked.push(asked);
    response.setHeader("Access-Control-Allow-Origin", "*");
    const { socket_id: socket, channel_name: channel } = asked;
    if (channel?.includes("forbidden")) return response.writeHead(403).end();
    if (channel?.includes("forged")) return response.end(JSON.stringify({ auth: `${this.app.key}:${"0".repeat(64)}`, channel_data: '{"user_id":"x"}' }));
    const watchlist = searchParams.get("watch")?.split(",") ?? [];
    const answer =
      pathname === "/user"
        ? this.backend.authenticateUser(socket, { id, user_info: { name: id }, watchlist })
        : this.backend.authorizeChannel(socket, channel, channel.startsWith("presence-") ? { user_id: user, user_info: { name: id } } : undefined);
    response.end(JSON.stringify(answer));
  }

  /** The pusher-js options of a page; `query` identifies the user to the back end. */
  settings(query = "") {
    return {
      cluster: "",
      wsHost: "127.0.0.1",
      wsPort: this.server.wsPort,
      forceTLS: false,
      enabledTransports: ["ws"],
      disableStats: true,
      channelAuthorization: { endpoint: `${this.authUrl}/auth?${query}`, transport: "ajax" },
      userAuthentication: { endpoint: `${this.authUrl}/user?${query}`, transport: "ajax" },
    };
  }

  /** A client that connects. */
  client(query = "", more = {}) {
    const client = new Pusher(this.app.key, { ...this.settings(query), ...more });
    this.clients.push(client);
    return client;
  }

  /** A client that is connected. */
  async connected(query = "", more = {}) {
    const client = this.client(query, more);
    await state(client, "connected");
    return client;
  }

  /** Subscribes and waits for the response. */
  async subscribed(client, name) {
    const channel = client.subscribe(name);
    if (!channel.subscribed) await next(channel, "pusher:subscription_succeeded");
    return channel;
  }

  /** A client that is subscribed to a channel, and the channel. */
  async on(name, query = "") {
    const client = await this.connected(query);
    return { client, channel: await this.subscribed(client, name) };
  }

  async close() {
    for (const client of this.clients) client.disconnect();
    this.http.closeAllConnections();
    this.http.close();
    await once(this.http, "close");
  }
}

/** Waits until the connection is in this state. */
export function state(client, wanted, seconds = 20) {
  return waitUntil(() => client.connection.state === wanted, `${wanted}, not ${client.connection.state}`, seconds);
}

/** The data of the next event of this name. */
export function next(emitter, event, seconds = 10) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`no ${event} within ${seconds} s`)), seconds * 1000);
    const heard = (...given) => {
      clearTimeout(timer);
      emitter.unbind(event, heard);
      resolve(given[0]);
    };
    emitter.bind(event, heard);
  });
}

/** The data of all events of this name from now on. */
export function all(emitter, event) {
  const heard = [];
  emitter.bind(event, (data) => heard.push(data));
  return heard;
}

/** Returns after the client has read everything that was sent to it before. */
export async function settled(client) {
  const pong = new Promise((resolve) => {
    const heard = (message) => {
      if (message.event !== "pusher:pong") return;
      client.connection.unbind("message", heard);
      resolve();
    };
    client.connection.bind("message", heard);
  });
  client.connection.send_event("pusher:ping", {});
  await pong;
}
