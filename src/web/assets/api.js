// Calls to the API. Whatever comes back is an answer: no answer has status 0.

let skew = 0;

// The time by the server's clock; the reader's may be wrong.
export const now = () => Date.now() + skew;

// What a console session's calls must carry beside its cookie; none where nobody is signed in. With TLS only a
// cookie counts that no other host can have set.
const CSRF = location.protocol.startsWith("https") ? /(?:^|; )__Host-cloakroom-csrf=([\w-]+)/ : /(?:^|; )cloakroom-csrf=([\w-]+)/;
const csrf = () => CSRF.exec(document.cookie)?.[1];
let session = null;

export const isSignedIn = () => csrf() !== undefined;

// From now on calls are made in this session of the console alone: where another tab has signed in as
// somebody else, they are refused, and do not go to the wrong vault.
export const stayInSession = () => (session = csrf() ?? "");

// How long an answer is waited for, in milliseconds.
const PATIENCE = 60_000;

export async function call(method, path, { body, headers = {}, patience = PATIENCE } = {}) {
  const request = { method, headers: { ...headers }, cache: "no-store", redirect: "error" };
  if (body !== undefined) {
    request.headers["Content-Type"] = "application/json";
    request.body = JSON.stringify(body);
  }
  const token = session ?? csrf();
  if (token) request.headers["Cloakroom-CSRF"] = token;
  if (AbortSignal.timeout && patience < Infinity) request.signal = AbortSignal.timeout(patience);
  try {
    const response = await fetch(path, request);
    const date = Date.parse(response.headers.get("Date") ?? "");
    if (!Number.isNaN(date)) skew = date - Date.now();
    const isJson = /^application\/(problem\+)?json/.test(response.headers.get("Content-Type") ?? "");
    const content = isJson ? await response.json() : {};
    const retryAfter = Number(response.headers.get("Retry-After")) || 0;
    return { ok: response.ok, status: response.status, code: content.code ?? "", content, retryAfter };
  } catch {
    return { ok: false, status: 0, code: "", content: {}, retryAfter: 0 };
  }
}

export const isDead = (answer) => answer.status === 404 && answer.code === "dead_token";
