// Requests to the server's REST API, with the session of an app.

class Rest extends Observable {
  authenticated = false;
  #token;

  async login({ appId = this.appId, appSecret = this.appSecret } = {}) {
    if (!appId) throw new PushiError("App ID is required: login({ appId, appSecret })");
    if (!appSecret) throw new PushiError("App secret is required: login({ appId, appSecret })");
    const answer = await this._request("GET", "login", { app_id: appId, app_key: this.appKey, app_secret: appSecret });
    this.#token = answer.token;
    this.authenticated = true;
    this.trigger("login", answer);
    return answer;
  }

  async logout() {
    const answer = this._request("POST", "logout");
    this._forget();
    await answer;
    this.trigger("logout");
    return answer;
  }

  _forget() {
    this.#token = undefined;
    this.authenticated = false;
  }

  _check() {
    if (!this.authenticated) throw new PushiError("Login required: call login(), or set authenticated if the page has a session cookie");
  }

  /** The cookie is sent only to the page's own origin; the token reaches servers of other origins, too. */
  async _request(method, path, query = {}, body) {
    const url = new URL(path, this.baseWebUrl.replace(/\/?$/, "/"));
    for (const [name, value] of Object.entries(query)) if (value !== undefined && value !== null) url.searchParams.set(name, value);
    const headers = { ...(this.#token && { Authorization: `Bearer ${this.#token}` }), ...(body && { "Content-Type": "application/json" }) };
    const fail = (why, code) => {
      throw new PushiError(`${method} /${path.split("/")[0]} ${why}`, { code });
    };
    const settings = { method, headers, body: body && JSON.stringify(body), signal: AbortSignal.timeout(ENDPOINT_TIMEOUT) };
    const answer = await fetch(url, settings).catch((error) => fail(`failed: ${error.message}`));
    const json = await answer.json().catch(() => ({}));
    if (answer.status === 401) this._forget();
    return answer.ok ? json : fail(`was answered ${answer.status}: ${json.message}`, answer.status);
  }
}
