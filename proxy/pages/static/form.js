// A form of all options, built from their declarations: nothing here knows any of them by name.

import { by, make } from "./dom.js";
import { readOptions } from "./steps.js";

export class Form {
  // `changed` is called with the steps whenever somebody has changed them.
  constructor(about, changed) {
    this.operations = about.operations;
    this.changed = changed;
    this.refreshing = [];
    this.local = new Map();
    for (const operation of this.operations) {
      for (const name of [operation.name, ...operation.values.map((value) => value.letter).filter(Boolean)]) {
        this.local.set(name, operation.local);
      }
    }
    const groups = Map.groupBy(this.operations, (operation) => operation.group);
    by("form").replaceChildren(
      ...(about.presets.length ? [this.#presets(about.presets)] : []),
      ...[...groups].map(([name, operations], place) => this.#group(name, operations, !place || !operations[0].local)),
    );
  }

  show(steps) {
    this.steps = steps;
    for (const refresh of this.refreshing) refresh();
    this.#showTabs();
  }

  #change(...settings) {
    for (const [name, value, local] of settings) this.steps.set(name, value, local);
    this.show(this.steps);
    this.changed(this.steps);
  }

  #showTabs() {
    const pick = (act) => () => {
      act();
      this.show(this.steps);
    };
    const tabs = this.steps.steps.map((_, place) =>
      make(
        "button",
        {
          type: "button",
          "aria-pressed": String(place === this.steps.active),
          onclick: pick(() => (this.steps.active = place)),
        },
        `step ${place + 1}`,
      ),
    );
    tabs.push(make("button", { type: "button", onclick: pick(() => this.steps.add()), title: "Add a step that works on the output of the last" }, "+"));
    by("tabs").replaceChildren(...tabs);
  }

  #group(name, operations, open) {
    const count = make("span", { class: "count" });
    const names = operations.flatMap((operation) => [operation.name, ...operation.values.map((value) => value.letter)]);
    this.refreshing.push(() => {
      const used = names.filter((letter) => letter && this.steps.get(letter, this.local.get(letter)) !== undefined).length;
      count.textContent = used ? String(used) : "";
    });
    return make(
      "details",
      { class: "group", open },
      make("summary", {}, make("h3", {}, name), count),
      ...operations.map((operation) => this.#operation(operation)),
    );
  }

  #presets(names) {
    const select = make("select", { "aria-label": "preset", onchange: () => this.#change(["t", select.value || undefined, true]) });
    select.append(make("option", { value: "" }, "no preset"), ...names.map((name) => make("option", {}, name)));
    this.refreshing.push(() => (select.value = this.steps.get("t", true) ?? ""));
    return make("div", { class: "operation" }, make("p", { class: "summary" }, make("code", {}, "t_"), " A preset, which the settings name."), select);
  }

  #operation(operation) {
    const own = operation.values.filter((value) => !value.letter);
    const lettered = operation.values.filter((value) => value.letter);
    const box = make("div", { class: "operation", "data-option": operation.name });
    const title = make("p", { class: "summary", title: operation.manual }, make("code", {}, operation.label), " ", ...quoted(operation.summary));
    if (operation.word) {
      const check = make("input", { type: "checkbox", "aria-label": operation.label });
      check.addEventListener("change", () =>
        this.#change([operation.name, check.checked ? this.#started(operation, own) : undefined, operation.local]),
      );
      this.refreshing.push(() => {
        check.checked = this.steps.get(operation.name, operation.local) !== undefined;
        box.classList.toggle("off", !check.checked);
      });
      title.prepend(check, " ");
    }
    const example = make("button", { type: "button", class: "example", title: "Take over this example", onclick: () => {
      this.steps.take(operation.example, (name) => this.local.get(name) ?? true);
      this.#change();
    } }, operation.example);
    title.append(" ", example);
    box.append(title);
    const fields = [
      ...own.map((value, place) => this.#own(operation, own, value, place)),
      ...lettered.map((value) => this.#lettered(operation, value)),
    ];
    if (fields.length) box.append(make("div", { class: "fields" }, ...fields));
    return box;
  }

  // What a word begins with when it is switched on: nothing where that says enough, else what its example says.
  #started(operation, own) {
    if (!own.some((value) => value.needed)) return "";
    return readOptions(operation.example).find((option) => option.name === operation.name)?.value ?? "";
  }

  #own(operation, own, value, place) {
    const get = () => {
      const text = this.steps.get(operation.name, operation.local);
      return own.length === 1 ? text : text?.split(":")[place];
    };
    const set = (text) => {
      const texts = own.length === 1 ? [] : (this.steps.get(operation.name, operation.local) ?? "").split(":");
      texts[place] = text;
      for (let at = 0; at < place; at += 1) texts[at] ||= own[at].default;
      while (texts.length && !texts.at(-1)) texts.pop();
      this.#change([operation.name, texts.length || operation.word ? texts.join(":") : undefined, operation.local]);
    };
    const label = own.length === 1 ? operation.label : `${operation.label} ${value.key}`;
    return this.#field(value, label, get, set);
  }

  #lettered(operation, value) {
    const get = () => this.steps.get(value.letter, operation.local);
    return this.#field(value, `${value.letter}_`, get, (text) => this.#change([value.letter, text || undefined, operation.local]));
  }

  #field(value, label, get, set) {
    const { schema } = value;
    const hint = `${value.meaning}: ${value.expected}`;
    const common = { "aria-label": `${label} ${value.key}`, title: hint, autocomplete: "off", spellcheck: "false" };
    const controls = schema.enum
      ? [this.#select(value, common)]
      : schema.type === "integer" || schema.type === "number"
        ? this.#number(value, common)
        : this.#text(value, common);
    const [main, second] = controls;
    for (const control of controls) {
      control.addEventListener(control.tagName === "SELECT" ? "change" : "input", () => set(control.value.replace(/^#/, "")));
    }
    this.refreshing.push(() => {
      const text = get() ?? "";
      if (main.value !== text) this.#put(main, text);
      if (second?.type === "range") second.value = text || value.default || schema.minimum;
      if (second?.type === "color" && /^[0-9a-f]{6}$/i.test(text)) second.value = `#${text}`;
    });
    return make("label", { class: "field" }, make("span", {}, make("code", {}, label), ` ${value.key}`), ...controls);
  }

  // A value that a list does not have is shown all the same, since the server has yet to refuse it.
  #put(control, text) {
    control.querySelector?.("option[data-other]")?.remove();
    if (control.tagName === "SELECT" && ![...control.options].some((option) => option.value === text)) {
      control.append(make("option", { value: text, "data-other": true }, text));
    }
    control.value = text;
  }

  #select({ schema, default: usual }, common) {
    return make(
      "select",
      common,
      make("option", { value: "" }, usual ? `(${usual})` : "–"),
      ...schema.enum.map((word) => make("option", {}, word)),
    );
  }

  #number({ schema, default: usual }, common) {
    const { minimum, maximum } = schema;
    const step = schema.type === "integer" ? 1 : "any";
    const number = make("input", { ...common, type: "number", min: minimum, max: maximum, step, placeholder: usual });
    if (maximum - minimum > 5000) return [number];
    const pace = schema.type === "integer" || maximum - minimum > 20 ? 1 : 0.1;
    return [number, make("input", { type: "range", min: minimum, max: maximum, step: pace, tabindex: -1, "aria-hidden": "true" })];
  }

  #text({ schema, default: usual }, common) {
    const examples = schema.examples ?? [];
    const text = make("input", { ...common, placeholder: usual || examples.join("  ") });
    return schema.format === "color" ? [text, make("input", { type: "color", value: "#ff8800", "aria-label": `${common["aria-label"]} picked` })] : [text];
  }
}

// A sentence whose parts between backticks are code.
const quoted = (text) => text.split("`").map((part, place) => (place % 2 ? make("code", {}, part) : part));
