// The picture: one of the mounts, or a file that is dropped.

import { by, bytes, debounced, make } from "./dom.js";
import * as server from "./server.js";

export class Chooser {
  constructor(about, choose, say) {
    this.about = about;
    this.choose = choose;
    this.say = say;
    this.folder = "";
    this.turn = 0;
    by("filter").addEventListener("input", debounced(() => this.list(), 200));
    by("file").accept = about.extensions.map((extension) => `.${extension}`).join(",");
    by("file").addEventListener("change", (event) => {
      if (event.target.files.length) this.drop(event.target.files[0]);
      event.target.value = "";
    });
    for (const name of ["dragenter", "dragover"]) addEventListener(name, (event) => this.over(event));
    addEventListener("dragleave", (event) => event.relatedTarget ?? by("drop").classList.remove("over"));
    addEventListener("drop", (event) => {
      event.preventDefault();
      by("drop").classList.remove("over");
      if (event.dataTransfer.files.length) this.drop(event.dataTransfer.files[0]);
    });
  }

  over(event) {
    event.preventDefault();
    by("drop").classList.add("over");
  }

  async open(folder) {
    this.folder = folder;
    by("filter").value = "";
    await this.list();
  }

  // List the folder, as far as its names begin with what the filter says; returns what is there.
  async list() {
    const mine = ++this.turn;
    let found;
    try {
      found = await server.originals(this.folder + by("filter").value);
    } catch (error) {
      found = { folders: [], originals: [], whole: true };
      this.say(error.problem?.detail ?? error.message, true);
    }
    if (mine !== this.turn) return found;
    this.#showPath();
    const tiles = [
      ...found.folders.map(({ name, prefix }) =>
        make("button", { type: "button", class: "tile folder", onclick: () => this.open(prefix) }, make("span", {}, `${name}/`)),
      ),
      ...found.originals.map((original) => this.#tile(original)),
    ];
    if (!tiles.length) tiles.push(make("p", { class: "quiet" }, "No picture here has such a name."));
    if (!found.whole) tiles.push(make("p", { class: "quiet" }, "There are more: the filter finds them."));
    by("tiles").replaceChildren(...tiles);
    return found;
  }

  // Mark the picture that is chosen.
  mark(source) {
    this.source = source;
    by("chosen").textContent = this.dropped?.source === source ? this.dropped.name : source;
    for (const tile of by("tiles").children) tile.setAttribute("aria-pressed", String(tile.dataset.source === source));
  }

  async drop(file) {
    if (file.size > this.about.largest) {
      this.say(`${file.name} has ${bytes(file.size)}; files of up to ${bytes(this.about.largest)} are taken.`, true);
      return;
    }
    this.say(`Sending ${file.name}…`);
    by("drop").classList.add("busy");
    try {
      const kept = await server.drop(file);
      this.dropped = { source: kept.source, name: file.name };
      this.say(`${file.name}: ${kept.width} × ${kept.height}, ${bytes(kept.bytes)}. It is kept for an hour at most.`);
      this.choose(kept.source);
    } catch (error) {
      this.say(`${file.name}: ${error.problem?.detail ?? error.message}`, true);
    } finally {
      by("drop").classList.remove("busy");
    }
  }

  #tile({ name, source, thumbnail }) {
    const picture = make("img", { src: thumbnail, alt: "", width: 96, height: 72, loading: "lazy", decoding: "async" });
    picture.addEventListener("error", () => picture.classList.add("missing"));
    return make(
      "button",
      {
        type: "button",
        class: "tile",
        title: source,
        "data-source": source,
        "aria-pressed": String(source === this.source),
        onclick: () => this.choose(source),
      },
      picture,
      make("span", {}, name),
    );
  }

  #showPath() {
    const parts = this.folder.split("/").filter(Boolean);
    const folders = ["", ...parts].map((name, place) =>
      make(
        "button",
        { type: "button", onclick: () => this.open(parts.slice(0, place).map((part) => `${part}/`).join("")) },
        place ? name : "all",
      ),
    );
    by("folders").replaceChildren(...folders.flatMap((folder, place) => (place ? [" / ", folder] : [folder])));
  }
}
