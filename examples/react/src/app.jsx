// Drop a floor plan into the file field and watch.

import { useJob } from "@stagecast/client/react";
import { useState } from "react";

async function create(file) {
  const answer = await fetch(`${STAGECAST_URL}/v1/jobs`, { method: "POST", body: file });
  const created = await answer.json();
  if (!answer.ok) throw new Error(created.error?.message ?? created.message);
  return {
    url: created.websocket_url,
    jobId: created.job_id,
    accessKey: created.access_key,
    httpApi: STAGECAST_URL,
  };
}

export function App() {
  const [job, setJob] = useState(null);
  const [problem, setProblem] = useState(null);

  const choose = (event) => {
    setProblem(null);
    create(event.target.files[0]).then(setJob, (error) => setProblem(error.message));
  };
  return (
    <main>
      <h1>Watch a job</h1>
      <label>
        Floor plan <input type="file" accept="image/png,image/jpeg" onChange={choose} />
      </label>
      {problem && <p role="alert">{problem}</p>}
      {job && <Progress key={job.jobId} job={job} />}
    </main>
  );
}

function Progress({ job }) {
  const { snapshot, state, error, cancel } = useJob(job);
  const [problem, setProblem] = useState(null);

  const stop = () => {
    setProblem(null);
    cancel().catch((error) => setProblem(error.message));
  };
  if (error) return <p role="alert">{error.message}</p>;
  if (!snapshot) return <p>{state}...</p>;
  return (
    <section aria-live="polite">
      <progress max="100" value={snapshot.overall_progress} /> {snapshot.overall_progress} %
      <p>
        {snapshot.status}: {snapshot.message}
      </p>
      {state !== "ended" && (
        <button type="button" onClick={stop}>
          Cancel
        </button>
      )}
      {problem && <p role="alert">{problem}</p>}
      {snapshot.error && <p role="alert">{snapshot.error.message}</p>}
      {snapshot.results && <pre>{JSON.stringify(snapshot.results, null, 2)}</pre>}
    </section>
  );
}
