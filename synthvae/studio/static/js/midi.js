/** MIDI keyboard input, after the user's permission. */

const NOTE_OFF = 0x80;
const NOTE_ON = 0x90;
const CONTROL = 0xb0;
const SUSTAIN = 64;

/**
 * @param {HTMLElement} button that asks for it
 * @param {import("./keyboard.js").Keyboard} keyboard
 * @param {import("./status.js").Status} status
 */
export function connectMidi(button, keyboard, status) {
  if (!("requestMIDIAccess" in navigator)) {
    button.hidden = true;
    return;
  }
  let pedal = false;
  /** @type {Set<number>} notes that only the pedal holds */
  const sustained = new Set();

  const heard = (/** @type {MIDIMessageEvent} */ message) => {
    const [kind, first, second] = message.data ?? [];
    const type = kind & 0xf0;
    if (type === NOTE_ON && second > 0) {
      sustained.delete(first);
      keyboard.up(first);
      void keyboard.down(first, second / 127, message.timeStamp);
    } else if (type === NOTE_OFF || type === NOTE_ON) {
      if (pedal) sustained.add(first);
      else keyboard.up(first);
    } else if (type === CONTROL && first === SUSTAIN) {
      pedal = second >= 64;
      if (!pedal) for (const note of sustained) keyboard.up(note);
      if (!pedal) sustained.clear();
    }
  };

  button.addEventListener("click", async () => {
    try {
      const access = await navigator.requestMIDIAccess();
      const listen = () => {
        const inputs = [...access.inputs.values()];
        for (const input of inputs) input.onmidimessage = heard;
        button.classList.toggle("main", inputs.length > 0);
        status.say(inputs.length ? `MIDI: ${inputs.map((input) => input.name).join(", ")}` : "No MIDI instrument is connected; plug one in");
      };
      access.onstatechange = listen;
      listen();
    } catch {
      status.fail(new Error("The browser does not let this page use MIDI; allow it in the address bar and press MIDI again"));
    }
  });
}
