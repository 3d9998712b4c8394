/** The inputs of this browser's jobs, stored so that a reload and other windows can show them. */

const DATABASE = "stagecast";
const VERSION = 2;
const INPUTS = "inputs";

/** Null if the browser blocks the storage. */
const database: Promise<IDBDatabase | null> = new Promise((resolve) => {
  try {
    const opening = indexedDB.open(DATABASE, VERSION);
    opening.onupgradeneeded = () => {
      const { result } = opening;
      for (const store of [...result.objectStoreNames]) result.deleteObjectStore(store);
      result.createObjectStore(INPUTS);
    };
    opening.onsuccess = () => resolve(opening.result);
    opening.onerror = () => resolve(null);
    opening.onblocked = () => resolve(null);
  } catch {
    resolve(null);
  }
});

export async function saveInput(jobId: string, input: File): Promise<void> {
  await inStore("readwrite", (inputs) => inputs.put(input, jobId));
}

export async function storedInput(jobId: string): Promise<File | null> {
  const found = await inStore("readonly", (inputs) => inputs.get(jobId));
  return found instanceof File ? found : null;
}

/** Deletes the inputs of all other jobs. */
export async function removeOtherInputs(jobIds: readonly string[]): Promise<void> {
  const keys = await inStore("readonly", (inputs) => inputs.getAllKeys());
  for (const key of keys ?? []) {
    if (!jobIds.includes(String(key))) await inStore("readwrite", (all) => all.delete(key));
  }
}

async function inStore<Result>(
  mode: IDBTransactionMode,
  act: (inputs: IDBObjectStore) => IDBRequest<Result>,
): Promise<Result | null> {
  const open = await database;
  if (!open) return null;
  return new Promise((resolve) => {
    try {
      const transaction = open.transaction(INPUTS, mode);
      const request = act(transaction.objectStore(INPUTS));
      transaction.oncomplete = () => resolve(request.result);
      // The stored input is optional.
      transaction.onabort = () => resolve(null);
    } catch {
      resolve(null);
    }
  });
}
