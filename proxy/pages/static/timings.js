// What was loaded for a stream: bytes, time, and where the server had it from; as a table and as bars.

import { by, bytes, make, milliseconds } from "./dom.js";
import { stages, tier } from "./server.js";

const FROM = { made: "made", shared: "shared while made", bypass: "not cached", browser: "the browser’s cache" };
const MOST = 120;

export class Timings {
  constructor() {
    this.clear();
  }

  clear() {
    this.rows = [];
    by("segments").replaceChildren();
    by("plot").replaceChildren();
    by("totals").textContent = "";
  }

  // One part: `field` gives a field of its answer by name.
  add({ url, rung, name, seconds, size, took, field }) {
    const from = fromBrowser(url) ? "browser" : tier(field("cache-status") ?? "");
    const work = stages(field("server-timing") ?? "");
    this.rows.push({ size, took, from });
    by("timings").hidden = false;
    by("segments").prepend(
      make(
        "tr",
        { "data-rung": rung },
        ...[rung, name, seconds ? seconds.toFixed(2) : "", bytes(size), milliseconds(took)].map((cell) => make("td", {}, cell)),
        make("td", { "data-tier": from }, FROM[from] ?? from),
        make("td", {}, work.map(({ name, duration }) => `${name} ${milliseconds(duration)}`).join(", ")),
      ),
    );
    while (by("segments").children.length > MOST) by("segments").lastElementChild.remove();
    this.#draw();
  }

  #draw() {
    const rows = this.rows.slice(-MOST);
    const most = Math.max(...rows.map(({ took }) => took), 1);
    const width = 600 / Math.max(rows.length, 24);
    by("plot").replaceChildren(
      ...rows.map(({ took, from, size }, place) => {
        const bar = document.createElementNS(by("plot").namespaceURI, "rect");
        const height = Math.max(1, (76 * took) / most);
        const box = { x: place * width + 0.5, y: 80 - height, width: Math.max(1, width - 1), height };
        for (const [name, value] of Object.entries(box)) bar.setAttribute(name, value);
        bar.dataset.tier = from;
        const title = document.createElementNS(by("plot").namespaceURI, "title");
        title.textContent = `${bytes(size)} in ${milliseconds(took)}`;
        bar.append(title);
        return bar;
      }),
    );
    const total = this.rows.reduce((sum, { size }) => sum + size, 0);
    by("totals").textContent = `${this.rows.length}, ${bytes(total)}, at most ${milliseconds(most)}`;
  }
}

// Whether nothing came over the line for the last request of an address.
function fromBrowser(url) {
  const last = performance.getEntriesByName(url, "resource").at(-1);
  return last !== undefined && last.transferSize === 0 && last.decodedBodySize > 0;
}
