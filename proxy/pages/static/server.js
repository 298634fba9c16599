// What is asked of the server.

const ACCEPT = "image/avif,image/webp,image/*,*/*;q=0.8";

// A refusal as it came: problem+json, or what there is of another.
export class Refused extends Error {
  constructor(problem) {
    super(problem.detail ?? problem.title);
    this.problem = problem;
  }
}

async function refusal(response) {
  const text = await response.text();
  try {
    return new Refused(JSON.parse(text));
  } catch {
    return new Refused({ title: `${response.status} ${response.statusText}`, detail: text.trim() });
  }
}

async function asked(path, init = {}) {
  let response;
  try {
    response = await fetch(path, { cache: "no-store", ...init });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Refused({ title: "The server did not answer", detail: String(error.message ?? error) });
  }
  if (!response.ok) throw await refusal(response);
  return response;
}

const posted = (body) => ({
  method: "POST",
  headers: { "content-type": "application/json" },
  body: JSON.stringify(body),
});

export const about = async () => (await asked("/ui/options.json")).json();

export const originals = async (prefix) =>
  (await asked(`/ui/originals.json?${new URLSearchParams({ prefix })}`)).json();

export const urls = async (source, steps, signal) =>
  (await asked("/ui/urls", { ...posted({ source, steps }), signal })).json();

export const markup = async (what) => (await asked("/ui/markup", posted(what))).json();

export const recording = async (source, signal) =>
  (await asked("/ui/recording", { ...posted({ source }), signal })).json();

export const text = async (url, signal) => (await asked(url, { signal })).text();

export const json = async (url, signal) => (await asked(url, { signal })).json();

export async function drop(file) {
  const init = { method: "PUT", headers: { "content-type": "application/octet-stream" }, body: file };
  return (await asked("/ui/dropped", init)).json();
}

// A rendition, with all that its answer tells.
export async function rendition(url, signal) {
  const started = performance.now();
  const response = await asked(url, { headers: { accept: ACCEPT }, signal });
  const blob = await response.blob();
  return {
    blob,
    took: performance.now() - started,
    status: response.status,
    type: (response.headers.get("content-type") ?? "").split(";")[0],
    etag: response.headers.get("etag") ?? "",
    lifetime: response.headers.get("cache-control") ?? "",
    degraded: response.headers.get("x-darkroom-degraded") ?? "",
    identity: response.headers.get("x-request-id") ?? "",
    tier: tier(response.headers.get("cache-status") ?? ""),
    stages: stages(response.headers.get("server-timing") ?? ""),
  };
}

// Which tier had an answer, from its field Cache-Status.
export function tier(status) {
  const detail = /detail=(\w+)/.exec(status);
  if (detail) return detail[1];
  if (status.includes("collapsed")) return "shared";
  return status.includes("fwd=miss") ? "made" : "bypass";
}

// What took how many milliseconds, from the field Server-Timing.
export const stages = (timing) =>
  timing
    .split(",")
    .map((part) => /^\s*(\w+);dur=([\d.]+)/.exec(part))
    .filter(Boolean)
    .map(([, name, duration]) => ({ name, duration: Number(duration) }));
