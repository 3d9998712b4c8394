"""An emulator of AWS: ministack, with IAM enforced and TLS spoken, on a free port of this machine."""

import datetime
import ipaddress
import os
import signal
import socket
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.request

import boto3
from botocore.config import Config
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from follow import Late, follow
from pace import limit

REGION = "us-east-1"

# Whoever has this key is the account's root user.
ROOT = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_REGION": REGION}

# Seconds that the emulator may take to start.
START = 60

# Lines of its log that are shown when something takes too long.
SHOWN = 40


class Emulator:
    """A running emulator. Everything that it keeps is below `folder` and goes with it."""

    def __init__(self, folder):
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.log = folder / "emulator.log"
        # The template refuses the bucket to whoever does not speak TLS, and the emulator enforces it.
        self.certificate, key = self_signed(folder)
        listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
        port = listener.getsockname()[1]
        self.url = f"https://localhost:{port}"
        # What the functions inherit: no credentials of whoever runs this.
        clean = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
        self.environment = clean | ROOT | {
            "AWS_ENDPOINT_URL": self.url,
            "SSL_CERT_FILE": str(self.certificate),
        }
        settings = {
            "AUTH": "true",
            "USE_SSL": "1",
            "MINISTACK_SSL_CERT": str(self.certificate),
            "MINISTACK_SSL_KEY": str(key),
            "MINISTACK_REGION": REGION,
            "GATEWAY_PORT": str(port),
            "SFTP_ENABLED": "0",
            "IOT_MTLS_ENABLED": "0",
            "TMPDIR": str(folder),
        }
        # The services of AWS that are called most speak HTTP/1.1 only. hypercorn would end an HTTP/2
        # connection after a thousand requests, with all that is on it, and our clients share one.
        config = folder / "hypercorn.toml"
        config.write_text('alpn_protocols = ["http/1.1"]\n', encoding="utf-8")
        command = [sys.executable, "-m", "hypercorn", "ministack.app:app", "--config", str(config)]
        command += ["--bind", f"fd://{listener.fileno()}", "--keep-alive", "75"]
        command += ["--certfile", str(self.certificate), "--keyfile", str(key)]
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                command,
                env=self.environment | settings,
                pass_fds=[listener.fileno()],
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        listener.close()

    def __enter__(self):
        trust = ssl.create_default_context(cafile=self.certificate)
        began = time.monotonic()
        while True:
            try:
                with urllib.request.urlopen(f"{self.url}/_ministack/health", context=trust, timeout=5):
                    return self
            except (urllib.error.URLError, OSError) as error:
                ended = self.process.poll() is not None
                waited = time.monotonic() - began
                if ended or waited > limit(START):
                    self.kill()
                    why = "it has ended" if ended else f"not within {waited:.0f} s: {error}"
                    sys.exit(f"the emulator did not start: {why}\n{self.end_of_log()}")
                time.sleep(0.1)

    def __exit__(self, *_):
        self.kill()

    def kill(self):
        """Ends the emulator. The functions' processes are in the same group."""
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.process.wait()

    def end_of_log(self):
        """What the emulator, and the functions on it, have logged last."""
        lines = self.log.read_text(encoding="utf-8", errors="replace").splitlines()
        return "\n".join(["the emulator's log ends with", *lines[-SHOWN:]])

    def run(self, what, command, patience):
        """Runs a program that finds the emulator; answers with how it ended. It may take `patience`
        seconds, as the machine has them."""
        process = subprocess.Popen(
            command, env=self.environment, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )
        began = time.monotonic()
        while True:
            try:
                stdout, stderr = process.communicate(timeout=5)
                return subprocess.CompletedProcess(command, process.returncode, stdout, stderr)
            except subprocess.TimeoutExpired as late:
                waited = time.monotonic() - began
                if waited <= limit(patience):
                    continue
                process.kill()
                process.wait()
                # Whatever text it was asked for, it has bytes.
                said = b"".join([late.stdout or b"", late.stderr or b""]).decode(errors="replace")
                sys.exit(f"{what} did not end within {waited:.0f} s:\n{said}\n{self.end_of_log()}")

    def follow(self, what, command, patience, heard, environment):
        """Runs a program that finds the emulator, and calls `heard` with each line that it writes;
        answers with its exit code and all that it wrote. It may be silent for `patience` seconds, as
        the machine has them."""
        try:
            return follow(command, self.environment | environment, patience, heard, limit)
        except Late as late:
            sys.exit(f"{what} has said nothing for too long:\n{late.output}\n{self.end_of_log()}")

    def client(self, service):
        """A client of a service, as the account's root user."""
        return boto3.client(
            service,
            endpoint_url=self.url,
            region_name=REGION,
            aws_access_key_id=ROOT["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=ROOT["AWS_SECRET_ACCESS_KEY"],
            verify=str(self.certificate),
            config=Config(s3={"addressing_style": "path"}),
        )


def self_signed(folder):
    """Makes a certificate for this machine, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.timezone.utc)
    names = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    paths = folder / "certificate.pem", folder / "key.pem"
    paths[0].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    paths[1].write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return paths
