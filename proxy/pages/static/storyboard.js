// The tiles of a storyboard, by the cues that say what is on them.

const CUE = /(\S+) --> (\S+)[^\n]*\n(\S+)#xywh=(\d+),(\d+),(\d+),(\d+)/g;

const seconds = (text) => text.split(":").reduce((sum, part) => sum * 60 + Number(part), 0);

export class Storyboard {
  // Read a WebVTT file that stands at `url`.
  constructor(text, url) {
    this.tiles = [...text.replaceAll("\r\n", "\n").matchAll(CUE)].map(([, start, end, sheet, ...box]) => ({
      start: seconds(start),
      end: seconds(end),
      sheet: new URL(sheet, new URL(url, location.href)).href,
      box: box.map(Number),
    }));
  }

  // What is shown of a moment, in seconds.
  at(moment) {
    return this.tiles.find(({ start, end }) => start <= moment && moment < end) ?? this.tiles.at(-1);
  }

  // Let an element show it.
  show(element, moment) {
    const tile = this.at(moment);
    if (!tile) return;
    const [x, y, width, height] = tile.box;
    element.style.width = `${width}px`;
    element.style.height = `${height}px`;
    element.style.backgroundImage = `url("${tile.sheet}")`;
    element.style.backgroundPosition = `-${x}px -${y}px`;
  }
}
