/**
 * The map between a slider, which moves evenly in the unit cube, and human units: torchsynth's curves, as in
 * `synthvae.synths.parameters`. With u in [0, 1] and curve c:
 *
 * plain:      human = a + (b - a) u^(1/c)
 * symmetric:  human = a + (b - a)/2 (1 + sign(d) |d|^(1/c)),  d = 2u - 1
 *
 * @typedef {{name: string, module: string, label: string, unit: string, minimum: number, maximum: number,
 *            curve: number, symmetric: boolean, description: string}} Parameter
 */

/** @param {Parameter} parameter @param {number} unit @returns {number} */
export function toHuman(parameter, unit) {
  const { minimum: low, maximum: high, curve, symmetric } = parameter;
  const u = Math.min(1, Math.max(0, unit));
  if (!symmetric) return low + (high - low) * u ** (1 / curve);
  const distance = 2 * u - 1;
  return low + ((high - low) / 2) * (1 + Math.sign(distance) * Math.abs(distance) ** (1 / curve));
}

/** @param {Parameter} parameter @param {number} human @returns {number} */
export function toUnit(parameter, human) {
  const { minimum: low, maximum: high, curve, symmetric } = parameter;
  const share = Math.min(1, Math.max(0, (human - low) / (high - low)));
  if (!symmetric) return share ** curve;
  const distance = 2 * share - 1;
  return 0.5 + (Math.sign(distance) * Math.abs(distance) ** curve) / 2;
}

/** What a double click goes back to: the middle of the cube. @param {Parameter} parameter */
export function middle(parameter) {
  return toHuman(parameter, 0.5);
}

/** Modules as a musician calls them, in the order in which a sound is made. */
export const MODULES = /** @type {[string, string][]} */ ([
  ["keyboard", "Keyboard"],
  ["vco_1", "Oscillator 1 · sine"],
  ["vco_2", "Oscillator 2 · square to saw"],
  ["mixer", "Mixer"],
  ["mod_matrix", "Routing"],
  ["adsr_1", "Envelope 1"],
  ["adsr_2", "Envelope 2"],
  ["lfo_1", "LFO 1"],
  ["lfo_1_amp_adsr", "LFO 1 · depth envelope"],
  ["lfo_1_rate_adsr", "LFO 1 · rate envelope"],
  ["lfo_2", "LFO 2"],
  ["lfo_2_amp_adsr", "LFO 2 · depth envelope"],
  ["lfo_2_rate_adsr", "LFO 2 · rate envelope"],
]);

/**
 * Parameters by module; modules that this page does not know come last, under their own name.
 * @param {Parameter[]} parameters
 * @returns {{module: string, title: string, parameters: Parameter[]}[]}
 */
export function grouped(parameters) {
  const known = new Map(MODULES);
  const modules = [...known.keys(), ...parameters.map((p) => p.module).filter((m) => !known.has(m))];
  return [...new Set(modules)]
    .map((module) => ({
      module,
      title: known.get(module) ?? module,
      parameters: parameters.filter((p) => p.module === module),
    }))
    .filter((group) => group.parameters.length);
}

const WORDS = /** @type {Record<string, string>} */ ({
  midi_f0: "pitch",
  mod_depth: "mod depth",
  initial_phase: "phase",
  alpha: "curve",
  tri: "triangle",
  saw: "saw up",
  rsaw: "saw down",
  sqr: "square",
  sin: "sine",
  vco_1: "oscillator 1",
  vco_2: "oscillator 2",
});

/** A source, a target or a parameter in words. @param {string} name */
export function words(name) {
  return name
    .replace("adsr_", "envelope ")
    .replace("lfo_", "LFO ")
    .replace("vco_", "osc ")
    .replace("_pitch", " pitch")
    .replace("_amp", " level")
    .replaceAll("_", " ");
}

/** What stands beside a slider. @param {Parameter} parameter */
export function shortLabel(parameter) {
  const own = parameter.name.split(".").slice(1).join(".") || parameter.name;
  if (own.includes("->")) return own.split("->").map(words).join(" → ");
  return WORDS[own] ?? own.replaceAll("_", " ");
}
