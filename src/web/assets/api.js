// Calls to the API. Whatever comes back is an answer: no answer has status 0.

let skew = 0;

// The time by the server's clock; the reader's may be wrong.
export const now = () => Date.now() + skew;

export async function call(method, path, { body, headers = {} } = {}) {
  const request = { method, headers: { ...headers }, cache: "no-store", redirect: "error" };
  if (body !== undefined) {
    request.headers["Content-Type"] = "application/json";
    request.body = JSON.stringify(body);
  }
  if (AbortSignal.timeout) request.signal = AbortSignal.timeout(60_000);
  try {
    const response = await fetch(path, request);
    const date = Date.parse(response.headers.get("Date") ?? "");
    if (!Number.isNaN(date)) skew = date - Date.now();
    const isJson = /^application\/(problem\+)?json/.test(response.headers.get("Content-Type") ?? "");
    const content = isJson ? await response.json() : {};
    return { ok: response.ok, status: response.status, code: content.code ?? "", content };
  } catch {
    return { ok: false, status: 0, code: "", content: {} };
  }
}

export const isDead = (answer) => answer.status === 404 && answer.code === "dead_token";
