// A back end that signs subscriptions.
import { createServer } from "node:http";
import { once } from "node:events";

export class Backend {
  /** The received requests, in order: `{ query, headers }`. */
  asked = [];
  /** The response instead of a signature: an HTTP status, or a body. */
  instead = null;

  /** `members` gives the channel data of a presence channel. */
  static async start(app, members = () => ({ user_id: "ann", name: "Ann" })) {
    const backend = new Backend();
    backend.server = createServer((request, response) => {
      const { searchParams } = new URL(request.url, "http://localhost");
      const query = Object.fromEntries(searchParams);
      backend.asked.push({ query, headers: request.headers });
      const answer = backend.instead ?? { auth: app.sign(query.socket_id, query.channel), channel_data: members(query) };
      response.setHeader("Access-Control-Allow-Origin", "*");
      if (typeof answer === "number") response.writeHead(answer).end();
      else response.end(typeof answer === "string" ? answer : JSON.stringify(answer));
    });
    backend.server.listen(0, "127.0.0.1");
    await once(backend.server, "listening");
    backend.url = `http://127.0.0.1:${backend.server.address().port}/auth`;
    return backend;
  }

  async stop() {
    this.server.closeAllConnections();
    this.server.close();
    await once(this.server, "close");
  }
}
