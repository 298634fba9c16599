// The result: beside the original, in figures, explained, or refused.

import { by, bytes, make, milliseconds } from "./dom.js";

const SHOWN = { "image/jpeg": "JPEG", "image/png": "PNG", "image/webp": "WebP", "image/avif": "AVIF", "image/gif": "GIF", "image/tiff": "TIFF" };
const TIERS = {
  memory: "from memory",
  disk: "from disk",
  made: "made just now",
  shared: "made just now, for others too",
  bypass: "not cached",
};

const TEXT = /json$|mpegurl$|dash\+xml$|^text\//;

let drawn = "";

// Draw a blob; says whether a browser can.
async function draw(blob) {
  const next = URL.createObjectURL(blob);
  const picture = by("result");
  picture.src = next;
  try {
    await picture.decode();
  } catch {
    URL.revokeObjectURL(next);
    return false;
  }
  if (drawn) URL.revokeObjectURL(drawn);
  drawn = next;
  return true;
}

let played = "";

// Put a film or a sound into its element, or nothing.
function play(blob) {
  if (played) URL.revokeObjectURL(played);
  played = blob ? URL.createObjectURL(blob) : "";
  if (played) by("clip").src = played;
  else by("clip").removeAttribute("src");
}

export function setSlider(share) {
  by("slider").value = share;
  by("frame").style.setProperty("--at", `${share}%`);
}

// Show a result; `again` gives it as a picture that every browser shows. Returns its size in pixels, if it has one.
export async function showResult(result, urls, again) {
  by("problem").hidden = true;
  by("note").textContent = "";
  const isText = TEXT.test(result.type);
  const isPlayed = /^(video|audio)\//.test(result.type);
  by("told").hidden = !isText;
  by("clip").hidden = !isPlayed;
  by("stage").hidden = isText || isPlayed;
  if (isText) {
    const text = await result.blob.text();
    by("told").textContent = result.type.endsWith("json") ? JSON.stringify(JSON.parse(text), null, 1) : text;
  }
  play(isPlayed ? result.blob : null);
  if (isText || isPlayed) return { width: 0, height: 0 };
  if (!(await draw(result.blob)) && urls.drawable) {
    by("note").textContent = `browsers do not show ${SHOWN[result.type] ?? result.type}: drawn as PNG`;
    await draw((await again(urls.drawable)).blob);
  }
  const picture = by("result");
  const size = { width: picture.naturalWidth, height: picture.naturalHeight };
  by("stage").style.setProperty("--width", `${size.width}px`);
  by("stage").style.setProperty("--ratio", `${size.width} / ${size.height}`);
  const longest = Math.max(size.width, size.height);
  const sides = Object.keys(urls.original).map(Number).sort((one, other) => one - other);
  const original = urls.original[sides.find((side) => side >= longest) ?? sides.at(-1)];
  if (by("original").getAttribute("src") !== original) by("original").src = original;
  return size;
}

export function showFacts(result, size, explained) {
  by("facts").hidden = false;
  const before = explained?.original.bytes;
  by("size").textContent = size.width ? `${size.width} × ${size.height}` : "";
  by("format").textContent = SHOWN[result.type] ?? result.type;
  by("bytes").textContent = bytes(result.blob.size);
  const share = before ? 100 - (100 * result.blob.size) / before : 0;
  const less = share >= 0 ? `${share.toFixed(share > 99 ? 1 : 0)} % less` : `${(-share).toFixed(0)} % more`;
  by("saving").textContent = before && size.width ? `${less} than the original’s ${bytes(before)}` : "";
  by("tier").textContent = TIERS[result.tier] ?? result.tier;
  by("tier").dataset.tier = result.tier;
  by("took").textContent = `here in ${milliseconds(result.took)}`;
  showStages(result.stages);
  const fields = {
    ETag: result.etag,
    "Cache-Control": result.lifetime,
    degraded: result.degraded,
    status: result.status === 200 ? "" : String(result.status),
  };
  by("fields").replaceChildren(
    ...Object.entries(fields).filter(([, text]) => text).flatMap(([name, text]) => [make("dt", {}, name), make("dd", {}, text)]),
  );
}

function showStages(stages) {
  const total = stages.reduce((sum, stage) => sum + stage.duration, 0);
  by("stages").hidden = !total;
  const bar = make("div", { class: "bar", "aria-hidden": "true" });
  const legend = make("ul", {});
  for (const { name, duration } of stages) {
    const part = make("i", { "data-stage": name });
    part.style.flexGrow = String(duration);
    bar.append(part);
    legend.append(make("li", {}, make("i", { "data-stage": name }), `${name} ${milliseconds(duration)}`));
  }
  by("stages").replaceChildren(bar, legend);
}

export function showUrl(url, canonical) {
  by("url").textContent = url;
  by("canonical").hidden = !canonical || canonical === url;
  by("canonical").replaceChildren("canonical: ", make("code", {}, canonical ?? ""));
}

export function showExplained(explained) {
  by("explain").hidden = !explained;
  if (!explained) return;
  const { original, estimate } = explained;
  const rows = explained.steps.map(({ step, operation, options, width, height }) =>
    make("tr", {}, ...[String(step), operation, Object.entries(options).map(([name, text]) => (name.includes("_") ? [name, text].filter(Boolean).join(":") : `${name}_${text}`)).join(","), `${width} × ${height}`].map((cell) => make("td", {}, cell))),
  );
  const facts = {
    original: `${original.kind}, ${original.width} × ${original.height}, ${bytes(original.bytes)}`,
    mount: explained.mount,
    plan: explained.plan || "nothing",
    "f_auto here": `${explained.f_auto.format}: ${explained.f_auto.why}`,
    estimate: `${milliseconds(estimate.milliseconds)}, ${bytes(estimate.memory)} of memory`,
  };
  by("explained").replaceChildren(
    make("dl", {}, ...Object.entries(facts).flatMap(([name, text]) => [make("dt", {}, name), make("dd", {}, text)])),
    ...(rows.length
      ? [make("table", {}, make("thead", {}, make("tr", {}, ...["step", "operation", "options", "size after it"].map((cell) => make("th", {}, cell)))), make("tbody", {}, ...rows))]
      : []),
    make("details", {}, make("summary", {}, "all that is told"), make("pre", { class: "told", tabindex: 0 }, JSON.stringify(explained, null, 1))),
  );
}

// Show a refusal as it came; `fix` is offered where it suggests something, and says whether it can be done.
export function showProblem(problem, url, fix) {
  for (const id of ["stage", "told", "clip", "facts", "explain"]) by(id).hidden = true;
  by("problem").hidden = false;
  const parts = [make("h3", {}, problem.title ?? "It did not work", problem.status ? make("small", {}, ` ${problem.status} ${problem.code}`) : null), make("p", {}, problem.detail ?? "")];
  if (problem.suggestion && fix) {
    parts.push(make("p", {}, make("button", { type: "button", class: "suggestion", onclick: fix }, `Take ${problem.suggestion}`)));
  } else if (problem.expected) parts.push(make("p", { class: "quiet" }, `Expected: ${problem.expected}`));
  by("problem").replaceChildren(...parts);
  if (url) by("url").replaceChildren(...marked(url, problem));
}

// The URL with the part marked that is wrong: the one nearest to where the refusal says that it begins.
function marked(url, { part, offset }) {
  let text = url;
  try {
    text = decodeURI(url);
  } catch {
    // An escape that is wrong is shown as it is.
  }
  if (!part) return [text];
  const places = [];
  for (let at = text.indexOf(part); at >= 0; at = text.indexOf(part, at + 1)) places.push(at);
  if (!places.length) return [text];
  const aim = offset ?? 0;
  const at = places.reduce((best, place) => (Math.abs(place - aim) < Math.abs(best - aim) ? place : best));
  return [text.slice(0, at), make("mark", {}, part), text.slice(at + part.length)];
}
