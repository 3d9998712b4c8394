"""Writes a sound file: syllables of noise and tone, with pauses between the sentences.

python examples/python-transcribe/make_wav.py talk.wav --minutes 2
"""

import argparse
import array
import math
import random
import sys
import wave

RATE = 16_000
"""Samples a second."""


def sentence(rng):
    """The samples of some syllables, with a short gap after each."""
    samples = array.array("h")
    for _ in range(rng.randint(4, 12)):
        pitch, length = rng.uniform(90, 260), int(RATE * rng.uniform(0.1, 0.3))
        for index in range(length):
            envelope = math.sin(math.pi * index / length)
            tone = math.sin(2 * math.pi * pitch * index / RATE) + 0.4 * rng.uniform(-1, 1)
            samples.append(int(9000 * envelope * tone))
        samples.extend(pause(rng, 0.03, 0.08))
    return samples


def pause(rng, shortest, longest):
    """Samples of a quiet room."""
    return array.array("h", (rng.randint(-60, 60) for _ in range(int(RATE * rng.uniform(shortest, longest)))))


def main():
    parser = argparse.ArgumentParser(description="Write a sound file like speech.")
    parser.add_argument("file")
    parser.add_argument("--minutes", type=float, default=1)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    rng = random.Random(arguments.seed)
    left = int(arguments.minutes * 60 * RATE)
    sentences = 0
    with wave.open(arguments.file, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        while left > 0:
            samples = sentence(rng) + pause(rng, 0.6, 1.5)
            if sys.byteorder == "big":
                samples.byteswap()
            file.writeframes(samples.tobytes())
            left -= len(samples)
            sentences += 1
    print(f"{arguments.file}: {sentences} sentences")


if __name__ == "__main__":
    main()
