"use strict";
for (const table of document.querySelectorAll("table")) {
  const body = table.tBodies[0], heads = [...table.tHead.rows[0].cells];
  heads.forEach((head, column) => {
    const key = row => row.cells[column].dataset.key;
    if ([...body.rows].some(row => row.cells[column].classList.contains("right"))) head.classList.add("right");
    head.querySelector("button").addEventListener("click", () => {
      const down = head.getAttribute("aria-sort") === "ascending" ? -1 : 1;
      heads.forEach(other => other.setAttribute("aria-sort", "none"));
      head.setAttribute("aria-sort", down > 0 ? "ascending" : "descending");
      const rows = [...body.rows].sort((a, b) => {
        const x = key(a), y = key(b);
        if (x === "" || y === "") return (x === "") - (y === "");
        const order = isNaN(x) || isNaN(y) ? x.localeCompare(y) : x - y;
        return down * order;
      });
      body.append(...rows);
    });
  });
}
const dialog = document.querySelector("dialog");
for (const button of document.querySelectorAll(".zoom")) button.addEventListener("click", () => {
  const small = button.querySelector("img"), large = dialog.querySelector("img");
  large.src = small.src; large.alt = small.alt; dialog.showModal();
});
dialog.addEventListener("click", () => dialog.close());
// One sound plays at a time. Switching within a row continues at the same position, to compare sounds.
const player = {
  context: null, master: null, playing: null, side: 0, buffers: new Map(),
  volume: document.querySelector(".volume"), same: document.querySelector(".same"), repeat: document.querySelector(".repeat"),
  async buffer(button) {
    if (!this.buffers.has(button)) {
      const text = button.parentElement.querySelector("audio").src.split(",")[1];
      const bytes = Uint8Array.from(atob(text), letter => letter.charCodeAt(0));
      this.buffers.set(button, this.context.decodeAudioData(bytes.buffer));
    }
    return this.buffers.get(button);
  },
  gain(button) { return this.same.checked ? Number(button.dataset.gain) : 1; },
  set() {
    if (!this.context) return;
    this.master.gain.setTargetAtTime(this.volume.valueAsNumber ** 2, this.context.currentTime, .01);
    if (!this.playing) return;
    this.playing.gain.gain.setTargetAtTime(this.gain(this.playing.button), this.context.currentTime, .01);
    this.playing.source.loop = this.repeat.checked;
  },
  place() {
    const passed = this.context.currentTime - this.playing.begun, length = this.playing.source.buffer.duration;
    return this.playing.source.loop ? passed % length : passed;
  },
  stop() {
    if (!this.playing) return;
    const { source, gain, button } = this.playing;
    source.onended = null;
    gain.gain.setTargetAtTime(0, this.context.currentTime, .005);
    source.stop(this.context.currentTime + .04);
    button.setAttribute("aria-pressed", "false");
    this.playing = null;
  },
  async play(button) {
    if (!this.context) {
      this.context = new AudioContext();
      this.master = this.context.createGain();
      this.master.connect(this.context.destination);
      this.set();
    }
    this.wanted = button;
    const buffer = await this.buffer(button);
    await this.context.resume();
    if (this.wanted !== button) return;
    const row = button.closest(".players"), stays = this.playing?.button.closest(".players") === row;
    const place = stays && this.playing.button !== button ? this.place() : 0;
    this.stop();
    const source = this.context.createBufferSource(), gain = this.context.createGain();
    source.buffer = buffer; source.loop = this.repeat.checked; gain.gain.value = this.gain(button);
    source.connect(gain).connect(this.master);
    const offset = place < buffer.duration ? place : 0;
    source.start(0, offset);
    source.onended = () => { if (this.playing?.source === source) { this.playing = null; button.setAttribute("aria-pressed", "false"); } };
    this.playing = { source, gain, button, begun: this.context.currentTime - offset };
    this.side = [...row.querySelectorAll(".play")].indexOf(button);
    button.setAttribute("aria-pressed", "true");
    document.body.dataset.played = button.getAttribute("aria-label");
    const follow = () => {
      if (this.playing?.source !== source) return;
      button.style.setProperty("--at", `${100 * this.place() / buffer.duration}%`);
      requestAnimationFrame(follow);
    };
    follow();
  },
};
for (const control of [player.volume, player.same, player.repeat]) control.addEventListener("input", () => player.set());
for (const button of document.querySelectorAll(".play")) button.addEventListener("click", () => {
  if (player.playing?.button === button) { player.stop(); player.wanted = null; } else player.play(button);
});
const RAMP = ["#440154", "#46327e", "#365c8d", "#277f8e", "#1fa187", "#4ac16d", "#a0da39", "#fde725"].map(
  colour => [1, 3, 5].map(at => parseInt(colour.slice(at, at + 2), 16)));
const viridis = share => {
  const place = share * (RAMP.length - 1), low = Math.min(Math.floor(place), RAMP.length - 2);
  return "rgb(" + RAMP[low].map((part, i) => Math.round(part + (RAMP[low + 1][i] - part) * (place - low))).join() + ")";
};
const LEVELS = 64, NONE = 65535, PALETTE = Array.from({ length: LEVELS }, (_, level) => viridis(level / (LEVELS - 1)));
const steps = text => new Uint16Array(Uint8Array.from(atob(text), letter => letter.charCodeAt(0)).buffer);
for (const figure of document.querySelectorAll(".map")) {
  const data = JSON.parse(figure.querySelector("script").textContent), count = data.names.length;
  const canvas = figure.querySelector("canvas"), pen = canvas.getContext("2d"), readout = figure.querySelector("output");
  const marked = data.marked, ringed = new Set(marked);
  let shown = -1, pressed = null;
  const which = figure.querySelector(".which"), colour = figure.querySelector(".colour");
  figure.querySelector(".ramp").style.background = `linear-gradient(to right, ${PALETTE.join()})`;
  let places, values, levels, zoom = 1, shift = [0, 0], sized = [0, 0], queued = false;
  const at = number => {
    const side = Math.min(...sized) * .92 * zoom;
    return [sized[0] / 2 + shift[0] + (places[2 * number] / 65534 - .5) * side,
            sized[1] / 2 + shift[1] - (places[2 * number + 1] / 65534 - .5) * side];
  };
  const dot = (number, x, y, radius) => {
    pen.fillStyle = levels[number] < 0 ? "#8a8f98" : PALETTE[levels[number]];
    pen.beginPath(); pen.arc(x, y, radius, 0, 2 * Math.PI); pen.fill();
  };
  const nearest = (numbers, x, y, reach) => {
    let best = -1, least = reach * reach;
    for (const number of numbers) {
      const [across, down] = at(number), far = (across - x) ** 2 + (down - y) ** 2;
      if (far < least) { best = number; least = far; }
    }
    return best;
  };
  const everyone = Array.from({ length: count }, (_, number) => number);
  const sound = number => {
    const row = document.querySelector(`.dot[data-dot="${number}"]`), place = figure.querySelector(".dots");
    shown = number;
    place.querySelector("p").hidden = true;
    for (const other of document.querySelectorAll(".dot")) other.hidden = other !== row;
    place.append(row);
    player.play(row.querySelectorAll(".play")[player.side] ?? row.querySelector(".play"));
    redraw();
  };
  const draw = () => {
    queued = false;
    const ratio = devicePixelRatio || 1, box = canvas.getBoundingClientRect();
    sized = [box.width, box.height];
    canvas.width = box.width * ratio; canvas.height = box.height * ratio;
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    const radius = Math.min(7, Math.max(1.6, 90 / Math.sqrt(count)) * Math.sqrt(zoom));
    const shuffled = [...everyone].sort((a, b) => (a * 7919) % 1009 - (b * 7919) % 1009);
    for (const number of shuffled) {
      const [x, y] = at(number);
      if (x < -9 || y < -9 || x > sized[0] + 9 || y > sized[1] + 9) continue;
      dot(number, x, y, radius);
    }
    const ink = getComputedStyle(canvas).color;
    for (const number of marked) {
      const [x, y] = at(number), chosen = number === shown;
      dot(number, x, y, chosen ? 7 : 5);
      pen.lineWidth = chosen ? 3 : 1.5; pen.strokeStyle = ink;
      pen.beginPath(); pen.arc(x, y, chosen ? 9 : 6.5, 0, 2 * Math.PI); pen.stroke();
    }
  };
  const redraw = () => { if (!queued) { queued = true; requestAnimationFrame(draw); } };
  const choose = () => {
    places = steps(data.maps[which.value]);
    const group = colour.selectedOptions[0].parentElement.label;
    const column = colour.value ? data.values[group][colour.value] : data.density[which.value];
    values = steps(column.steps);
    const sorted = [...new Set([...values].filter(value => value !== NONE))].sort((a, b) => a - b);
    const rank = new Map(sorted.map((value, i) => [value, Math.floor(i / Math.max(1, sorted.length - 1) * (LEVELS - 1))]));
    levels = Array.from(values, value => value === NONE ? -1 : rank.get(value));
    figure.querySelector(".low").textContent = column.low ?? "–";
    figure.querySelector(".high").textContent = column.high ?? "–";
    canvas.dataset.drawn = `${which.value}: ${colour.selectedOptions[0].textContent}`;
    redraw();
  };
  which.addEventListener("change", () => { zoom = 1; shift = [0, 0]; choose(); });
  colour.addEventListener("change", choose);
  const scale = (factor, x, y) => {
    const before = zoom;
    zoom = Math.min(60, Math.max(1, zoom * factor));
    [x - sized[0] / 2, y - sized[1] / 2].forEach((from, i) => { shift[i] = from - (from - shift[i]) * zoom / before; });
    if (zoom === 1) shift = [0, 0];
    redraw();
  };
  canvas.addEventListener("wheel", event => {
    event.preventDefault(); scale(Math.exp(-event.deltaY / 400), event.offsetX, event.offsetY);
  }, { passive: false });
  canvas.addEventListener("keydown", event => {
    const move = { ArrowLeft: [40, 0], ArrowRight: [-40, 0], ArrowUp: [0, 40], ArrowDown: [0, -40] }[event.key];
    if (move) { event.preventDefault(); shift = [shift[0] + move[0], shift[1] + move[1]]; redraw(); }
    if (event.key === "Enter" && marked.length) sound(marked[(marked.indexOf(shown) + 1) % marked.length]);
    if (event.key === "+" || event.key === "-") scale(event.key === "+" ? 1.3 : 1 / 1.3, sized[0] / 2, sized[1] / 2);
  });
  canvas.addEventListener("dblclick", () => { zoom = 1; shift = [0, 0]; redraw(); });
  canvas.addEventListener("pointerdown", event => {
    canvas.setPointerCapture(event.pointerId);
    pressed = [event.offsetX, event.offsetY];
  });
  canvas.addEventListener("pointerup", event => {
    const moved = pressed && Math.hypot(event.offsetX - pressed[0], event.offsetY - pressed[1]);
    pressed = null;
    if (moved === null || moved > 4 || !marked.length) return;
    const number = nearest(marked, event.offsetX, event.offsetY, 18);
    if (number >= 0) sound(number);
    else if (nearest(everyone, event.offsetX, event.offsetY, 12) >= 0) {
      readout.textContent = "only ringed dots have audio in this page";
    }
  });
  canvas.addEventListener("pointermove", event => {
    if (event.buttons) { shift = [shift[0] + event.movementX, shift[1] + event.movementY]; redraw(); return; }
    const over = nearest(marked, event.offsetX, event.offsetY, 12);
    const number = over < 0 ? nearest(everyone, event.offsetX, event.offsetY, 12) : over;
    readout.textContent = number < 0 ? "" : data.names[number];
    canvas.style.cursor = ringed.has(number) ? "pointer" : "";
  });
  new ResizeObserver(redraw).observe(canvas);
  choose();
}
for (const button of document.querySelectorAll(".copy")) button.addEventListener("click", () => {
  const code = button.parentElement.querySelector("code");
  getSelection().selectAllChildren(code);
  document.execCommand("copy"); // navigator.clipboard is not available to local files
  button.textContent = "Copied";
  setTimeout(() => { button.textContent = "Copy"; }, 1500);
});
