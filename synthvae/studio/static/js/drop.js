/** Files that are dropped anywhere on the page: one sound is matched, a folder or several sounds go on the map. */

const SOUNDS = /\.(wav|wave|flac|aif|aiff|ogg|mp3)$/i;

/**
 * @param {HTMLElement} veil shown while files hang over the page
 * @param {(file: File) => void} one what to do with a single sound
 * @param {(files: {file: File, label: string}[]) => void} many what to do with several
 * @param {(error: unknown) => void} fail
 */
export function acceptDrops(veil, one, many, fail) {
  let depth = 0;
  const carries = (/** @type {DragEvent} */ event) => event.dataTransfer?.types.includes("Files");
  window.addEventListener("dragenter", (event) => {
    if (!carries(event)) return;
    depth++;
    veil.hidden = false;
  });
  window.addEventListener("dragleave", () => {
    depth = Math.max(0, depth - 1);
    veil.hidden = depth === 0;
  });
  window.addEventListener("dragover", (event) => carries(event) && event.preventDefault());
  window.addEventListener("drop", async (event) => {
    event.preventDefault();
    depth = 0;
    veil.hidden = true;
    // Entries have to be taken before anything is waited for: afterwards the list is empty.
    const items = [...(event.dataTransfer?.items ?? [])].filter((item) => item.kind === "file");
    const entries = items.map((item) => item.webkitGetAsEntry?.() ?? null);
    const loose = [...(event.dataTransfer?.files ?? [])];
    try {
      const folders = entries.some((entry) => entry?.isDirectory);
      /** @type {{file: File, label: string}[]} */
      const found = folders ? (await Promise.all(entries.map((entry) => (entry ? within(entry, "") : [])))).flat() : loose.map((file) => ({ file, label: "" }));
      const sounds = found.filter(({ file }) => SOUNDS.test(file.name) || file.type.startsWith("audio/"));
      if (!sounds.length) throw new Error("These files contain no sound; drop a WAV, or a folder of them");
      if (sounds.length === 1 && !folders) one(sounds[0].file);
      else many(sounds);
    } catch (error) {
      fail(error);
    }
  });
}

/**
 * All files below an entry, each with the name of the folder it lies in.
 * @param {FileSystemEntry} entry @param {string} label @returns {Promise<{file: File, label: string}[]>}
 */
async function within(entry, label) {
  if (entry.isFile) {
    const file = await new Promise((done, failed) => /** @type {FileSystemFileEntry} */ (entry).file(done, failed));
    return [{ file, label }];
  }
  const reader = /** @type {FileSystemDirectoryEntry} */ (entry).createReader();
  const found = [];
  for (;;) {
    /** @type {FileSystemEntry[]} */
    const part = await new Promise((done, failed) => reader.readEntries(done, failed)); // a hundred at a time
    if (!part.length) return found;
    for (const inner of part) found.push(...(await within(inner, entry.name)));
  }
}
