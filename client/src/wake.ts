/** Detects changes of the network and the wake-up of the device, as far as a page can. */

/** Calls `wake` when the page goes online or offline or becomes visible; returns a function that stops. */
export function onWake(wake: () => void): () => void {
  if (typeof window !== "object" || typeof document !== "object") return () => {};
  const visible = () => document.visibilityState === "visible" && wake();
  window.addEventListener("online", wake);
  window.addEventListener("offline", wake);
  document.addEventListener("visibilitychange", visible);
  return () => {
    window.removeEventListener("online", wake);
    window.removeEventListener("offline", wake);
    document.removeEventListener("visibilitychange", visible);
  };
}
