"""A worker for sound files: finds the sentences of a talk and measures them. Needs the package of sdk/python.

    export STAGECAST_URL=http://127.0.0.1:4800 STAGECAST_WORKER_TOKEN=stw_…
    python examples/python-transcribe/worker.py

    python examples/python-transcribe/make_wav.py talk.wav
    stagecast submit talk.wav --queue transcripts --watch

Stop it within a job and start it again: the job continues at its last checkpoint. A speech recognizer would take the
place of `measure`.
"""

import array
import csv
import io
import itertools
import logging
import math
import sys
import wave

import stagecast

FRAME_SECONDS = 0.02
"""The energy of the sound is measured in frames of this length."""

SHORTEST_PAUSE = 0.4
"""A sentence ends with a pause of at least these seconds."""


@stagecast.job(queue="transcripts", stages={"decode": 1, "detect": 2, "measure": 7})
def transcribe(job):
    path = job.input_file()
    try:
        file = wave.open(str(path), "rb")
    except (wave.Error, EOFError) as error:
        raise stagecast.Failure("no_wave_file", f"the input is no WAV file: {error}") from error
    with file:
        if file.getnchannels() != 1 or file.getsampwidth() != 2:
            raise stagecast.Failure("unsupported_format", "expected one channel with samples of 16 bits")
        energies = job.step("decode", decode, job, file)
        sentences = job.step("detect", detect, energies)
        if not sentences:
            raise stagecast.Failure("no_speech", "the recording is silent")
        with job.stage("measure") as stage:
            rows = measure(stage, file, sentences)
            job.attach("sentences.csv", table(rows), "text/csv")
    spoken = sum(row["seconds"] for row in rows)
    return {
        "sentences": len(rows),
        "spoken_seconds": round(spoken, 2),
        "loudest": max(rows, key=lambda row: row["level"]),
    }


def decode(job, file):
    """The energy of each frame."""
    size = int(file.getframerate() * FRAME_SECONDS)
    energies = []
    for _ in job.track(range(file.getnframes() // size), unit="frames", message="Reading the sound"):
        samples = read(file, size)
        energies.append(round(math.sqrt(sum(sample * sample for sample in samples) / size), 1))
    return energies


def detect(energies):
    """The first and the last frame of each sentence: what is louder than the room, up to a long pause."""
    if not energies:
        return []
    threshold = 4 * sorted(energies)[len(energies) // 20] + 20
    longest_gap = int(SHORTEST_PAUSE / FRAME_SECONDS)
    sentences = []
    for number, energy in enumerate(energies):
        if energy <= threshold:
            continue
        if sentences and number - sentences[-1][1] <= longest_gap:
            sentences[-1][1] = number
        else:
            sentences.append([number, number])
    return sentences


def measure(stage, file, sentences):
    """Length, level and pitch of each sentence. Continues at the sentence after the last checkpoint."""
    rows = stage.state or []
    size = int(file.getframerate() * FRAME_SECONDS)
    rest = sentences[len(rows) :]
    for first, last in stage.track(
        rest, total=len(sentences), initial=len(rows), unit="sentences", message="Measuring"
    ):
        file.setpos(first * size)
        samples = read(file, (last - first + 1) * size)
        crossings = sum(1 for one, two in itertools.pairwise(samples) if (one < 0) != (two < 0))
        seconds = len(samples) / file.getframerate()
        rms = math.sqrt(sum(sample * sample for sample in samples) / len(samples))
        rows.append(
            {
                "start": round(first * FRAME_SECONDS, 2),
                "seconds": round(seconds, 2),
                "level": round(20 * math.log10(rms / 32768), 1),
                "crossings": round(crossings / seconds),
            }
        )
        stage.checkpoint(rows)
    return rows


def read(file, count):
    samples = array.array("h", file.readframes(count))
    if sys.byteorder == "big":
        samples.byteswap()
    return samples


def table(rows):
    text = io.StringIO()
    writer = csv.DictWriter(text, rows[0])
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


handler = logging.StreamHandler()
handler.addFilter(stagecast.JobLogFilter())
handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s [%(job_id)s %(stage)s] %(message)s"))
logging.basicConfig(level=logging.INFO, handlers=[handler])

if __name__ == "__main__":
    stagecast.run()
