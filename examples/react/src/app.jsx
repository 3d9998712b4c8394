// Creates a job from a floor plan and shows its progress.

import { HttpApi } from "@stagecast/client";
import { useJob } from "@stagecast/client/react";
import { useEffect, useState } from "react";

const api = new HttpApi(STAGECAST_URL);

async function create(file) {
  const { websocket_url: url, job_id: jobId, access_key: accessKey } = await api.createJob(file);
  return { url, jobId, accessKey, httpApi: api.base };
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

/** The results of a job that has them; those that do not fit into a message are fetched. */
function useResults(job, snapshot, onProblem) {
  const [fetched, setFetched] = useState(null);
  const isElsewhere = Boolean(snapshot?.results_url);
  useEffect(() => {
    if (isElsewhere) api.results(job).then(setFetched, onProblem);
  }, [job, isElsewhere, onProblem]);
  return snapshot?.results ?? fetched;
}

function Progress({ job }) {
  const { snapshot, state, error, cancel } = useJob(job);
  const [problem, setProblem] = useState(null);
  const results = useResults(job, snapshot, setProblem);

  const stop = () => {
    setProblem(null);
    cancel().catch(setProblem);
  };
  if (error) return <p role="alert">{error.message}</p>;
  if (!snapshot) return <p>{state}...</p>;
  return (
    <section>
      <progress max="100" value={snapshot.overall_progress} /> {snapshot.overall_progress} %
      <p>
        {/* Only this is read aloud: each percent would be too much. */}
        <span role="status">{snapshot.status}</span>: {snapshot.message}
      </p>
      {state !== "ended" && (
        <button type="button" onClick={stop}>
          Cancel
        </button>
      )}
      {problem && <p role="alert">{problem.message}</p>}
      {snapshot.error && <p role="alert">{snapshot.error.message}</p>}
      {results && <pre>{JSON.stringify(results, null, 2)}</pre>}
    </section>
  );
}
