// The text of steps as options that can be read and changed one by one. What the server cannot read, it refuses itself.

const FAMILY = /^((?:e|fl)_[a-z_]+)(?::(.*))?$/s;
const LETTER = /^([a-z]{1,4})_(.*)$/s;

function readOption(text) {
  const found = FAMILY.exec(text) ?? LETTER.exec(text);
  return found ? { name: found[1], value: found[2] ?? "" } : { name: "", value: text };
}

function writeOption({ name, value }) {
  if (!name) return value;
  return name.includes("_") ? (value ? `${name}:${value}` : name) : `${name}_${value}`;
}

export class Steps {
  constructor(text = "") {
    this.steps = text.split("/").filter(Boolean).map((step) => step.split(",").map(readOption));
    if (!this.steps.length) this.steps.push([]);
    this.active = 0;
  }

  toString() {
    return this.steps.filter((step) => step.length).map((step) => step.map(writeOption).join(",")).join("/");
  }

  // An option of the step that is being edited, or, where it holds for the whole plan, of any step.
  get(name, local) {
    return this.#step(name, local)?.find((option) => option.name === name)?.value;
  }

  // Set an option to a text; undefined takes it away.
  set(name, value, local) {
    const step = this.#step(name, local) ?? this.steps[local ? this.active : this.steps.length - 1];
    const at = step.findIndex((option) => option.name === name);
    if (value === undefined) {
      if (at >= 0) step.splice(at, 1);
    } else if (at >= 0) step[at].value = value;
    else step.push({ name, value });
  }

  // Take over the options of an example.
  take(text, isLocal) {
    for (const { name, value } of readOptions(text)) this.set(name, value, isLocal(name));
  }

  add() {
    this.active = this.steps.push([]) - 1;
  }

  #step(name, local) {
    if (local) return this.steps[this.active];
    return this.steps.find((step) => step.some((option) => option.name === name));
  }
}

export const readOptions = (step) => step.split(",").map(readOption);

const KEPT = { "%2F": "/", "%2C": ",", "%3A": ":", "%24": "$" };
const written = (text) => encodeURIComponent(text).replace(/%2F|%2C|%3A|%24/g, (escape) => KEPT[escape]);

export function readFragment(hash) {
  const words = new URLSearchParams(hash.replace(/^#/, "").replaceAll("+", "%2B"));
  return { source: words.get("original") ?? "", steps: words.get("steps") ?? "" };
}

export const writeFragment = ({ source, steps }) => `#original=${written(source)}&steps=${written(steps)}`;
