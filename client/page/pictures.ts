/**
 * The input pictures of this browser's jobs, stored so that a reload and other windows can show
 * them.
 */

const DATABASE = "stagecast";
const PICTURES = "pictures";

/** Null if the browser blocks the cache. */
const database: Promise<IDBDatabase | null> = new Promise((resolve) => {
  try {
    const opening = indexedDB.open(DATABASE, 1);
    opening.onupgradeneeded = () => opening.result.createObjectStore(PICTURES);
    opening.onsuccess = () => resolve(opening.result);
    opening.onerror = () => resolve(null);
  } catch {
    resolve(null);
  }
});

export async function savePicture(jobId: string, picture: Blob): Promise<void> {
  await inStore("readwrite", (pictures) => pictures.put(picture, jobId));
}

export async function storedPicture(jobId: string): Promise<Blob | null> {
  const found = await inStore("readonly", (pictures) => pictures.get(jobId));
  return found instanceof Blob ? found : null;
}

/** Deletes the pictures of all other jobs. */
export async function removeOtherPictures(jobIds: readonly string[]): Promise<void> {
  const keys = await inStore("readonly", (pictures) => pictures.getAllKeys());
  for (const key of keys ?? []) {
    if (!jobIds.includes(String(key))) await inStore("readwrite", (all) => all.delete(key));
  }
}

async function inStore<Result>(
  mode: IDBTransactionMode,
  act: (pictures: IDBObjectStore) => IDBRequest<Result>,
): Promise<Result | null> {
  const open = await database;
  if (!open) return null;
  return new Promise((resolve) => {
    try {
      const transaction = open.transaction(PICTURES, mode);
      const request = act(transaction.objectStore(PICTURES));
      transaction.oncomplete = () => resolve(request.result);
      // The picture is optional.
      transaction.onabort = () => resolve(null);
    } catch {
      resolve(null);
    }
  });
}
