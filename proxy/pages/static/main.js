// The playground: a picture, its options, its result; the state of it all is in the fragment of the address.

import { Chooser } from "./chooser.js";
import { by, debounced } from "./dom.js";
import { Form } from "./form.js";
import { Player } from "./player.js";
import * as server from "./server.js";
import { Steps, readFragment, writeFragment } from "./steps.js";
import * as view from "./view.js";

const state = { source: "", steps: "" };
let shown = null;
let asking = new AbortController();

function say(text, wrong = false) {
  by("said").textContent = text;
  by("said").classList.toggle("wrong", wrong);
}

const about = await server.about().catch((error) => {
  say(error.message, true);
  throw error;
});
const chooser = new Chooser(about, (source) => go({ source }, true), say);
const form = new Form(about, (steps) => {
  state.steps = by("steps").value = String(steps);
  later();
});
const player = new Player(about, give);
const later = debounced(() => update(), 250);

// Go on with another picture or other steps; `kept` leaves the state before in the browser's history.
function go(changes, kept = false) {
  Object.assign(state, changes);
  by("steps").value = state.steps;
  by("source").value = state.source;
  form.show(new Steps(state.steps));
  return update(kept);
}

async function update(kept = false) {
  const fragment = writeFragment(state);
  if (fragment !== location.hash) history[kept ? "pushState" : "replaceState"](null, "", fragment);
  chooser.mark(state.source);
  asking.abort();
  if (!state.source) return player.close();
  player.open(state.source);
  asking = new AbortController();
  const { signal } = asking;
  const { source, steps } = state;
  document.body.dataset.busy = "true";
  let urls = null;
  try {
    urls = await server.urls(source, steps, signal);
    view.showUrl(urls.url, urls.canonical);
    const [result, explained] = await Promise.all([
      server.rendition(urls.url, signal),
      urls.explain ? server.json(urls.explain, signal).catch(() => null) : null,
    ]);
    if (signal.aborted) return;
    const size = await view.showResult(result, urls, (url) => server.rendition(url, signal));
    if (signal.aborted) return;
    view.showFacts(result, size, explained);
    view.showExplained(explained);
    shown = { source, steps, size, result, explained };
  } catch (error) {
    if (error.name === "AbortError" || signal.aborted) return;
    shown = null;
    view.showProblem(error.problem ?? { title: "Something went wrong in the page", detail: String(error) }, urls?.url ?? `/${steps}${steps && "/"}${source}`, fix(error.problem));
  } finally {
    if (!signal.aborted) delete document.body.dataset.busy;
  }
}

// What to do when somebody takes a suggestion; null where it is for nothing that can be changed here.
function fix(problem) {
  const { part, suggestion } = problem ?? {};
  if (!part || !suggestion) return null;
  if (state.steps.includes(part)) return () => go({ steps: state.steps.replace(part, () => suggestion) });
  if (state.source.startsWith(`${part}/`)) {
    const steps = [state.steps, suggestion].filter(Boolean).join("/");
    return () => go({ steps, source: state.source.slice(part.length + 1) });
  }
  return null;
}

async function copy(kind) {
  if (!shown) return;
  const { source, steps, size, result, explained } = shown;
  const format = result.type.endsWith("json") ? "json" : result.type.replace(/^image\//, "").replace("jpeg", "jpg");
  const { alpha = false, frames = 1, kind: original = "" } = explained?.original ?? {};
  const moving = frames > 1 && ["gif", "webp"].includes(original) && ["gif", "webp"].includes(format);
  try {
    const texts = await server.markup({ source, steps, width: size.width, height: size.height, format, alpha, moving });
    if (texts[kind]) return await give(texts[kind], by("copied"));
    by("copied").hidden = false;
    by("copied").textContent = `there is no <${kind}> for this`;
  } catch (error) {
    say(error.problem?.detail ?? error.message, true);
  }
}

// Give somebody a text: shown in an element, and in the clipboard where the browser lets us.
async function give(text, element) {
  element.hidden = false;
  element.textContent = text;
  try {
    await navigator.clipboard.writeText(text);
    say("Copied.");
  } catch {
    // Browsers give the clipboard to pages of secure origins alone.
    getSelection().selectAllChildren(element);
    say("It is selected: copy it with the keyboard.");
  }
}

by("slider").addEventListener("input", (event) => view.setSlider(event.target.value));
by("original").addEventListener("error", () => (by("note").textContent ||= "the original cannot be shown beside it"));
by("again").addEventListener("click", () => update());
by("clear").addEventListener("click", () => go({ steps: "" }));
by("address").addEventListener("submit", (event) => event.preventDefault());
by("steps").addEventListener("input", () => {
  state.steps = by("steps").value.trim().replace(/^\/+|\/+$/g, "");
  form.show(new Steps(state.steps));
  later();
});
by("source").addEventListener("input", () => {
  state.source = by("source").value.trim();
  later();
});
for (const button of document.querySelectorAll("[data-copy]")) {
  button.addEventListener("click", () => copy(button.dataset.copy));
}
for (const name of ["hashchange", "popstate"]) {
  addEventListener(name, () => {
    if (location.hash !== writeFragment(state)) go(readFragment(location.hash));
  });
}

view.setSlider(50);
const wanted = readFragment(location.hash);
if (wanted.source) {
  // The thumbnails come last: they would only keep the workers from what is asked for.
  await go(wanted);
  await chooser.list();
} else {
  const { originals } = await chooser.list();
  // Somebody may have chosen or dropped one meanwhile.
  const source = state.source || (originals[0]?.source ?? "");
  await go({ source, steps: state.steps || wanted.steps || "w_600,f_auto" });
}
