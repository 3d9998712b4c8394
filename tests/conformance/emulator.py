"""Runs ministack, an AWS emulator, with enforced IAM and TLS, on a free port of this machine."""

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

# The credentials of the account's root user.
ROOT = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_REGION": REGION}

# Timeout for the emulator's start, in seconds.
START = 60

# The number of log lines shown after a timeout.
SHOWN = 40


class Emulator:
    """A running emulator. All its data is in `folder`."""

    def __init__(self, folder):
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.log = folder / "emulator.log"
        # The bucket's policy denies requests without TLS, and the emulator enforces it.
        self.certificate, key = self_signed(folder)
        listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
        port = listener.getsockname()[1]
        self.url = f"https://localhost:{port}"
        # The functions inherit the environment: remove the user's AWS credentials.
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
        # Most AWS services support only HTTP/1.1. hypercorn would close an HTTP/2 connection after a
        # thousand requests, including those in flight, and the clients share one connection.
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
                    why = "the process has ended" if ended else f"not within {waited:.0f} s: {error}"
                    sys.exit(f"the emulator did not start: {why}\n{self.end_of_log()}")
                time.sleep(0.1)

    def __exit__(self, *_):
        self.kill()

    def kill(self):
        """Kills the emulator and the functions, which are in its process group."""
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.process.wait()

    def end_of_log(self):
        """The last log lines of the emulator and its functions."""
        lines = self.log.read_text(encoding="utf-8", errors="replace").splitlines()
        return "\n".join(["the emulator's log ends with", *lines[-SHOWN:]])

    def run(self, what, command, timeout):
        """Runs a program with the emulator's environment. Returns the completed process. The timeout is
        `timeout` seconds on an idle machine."""
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
                if waited <= limit(timeout):
                    continue
                process.kill()
                process.wait()
                # The exception has bytes even in text mode.
                said = b"".join([late.stdout or b"", late.stderr or b""]).decode(errors="replace")
                sys.exit(f"{what} did not end within {waited:.0f} s:\n{said}\n{self.end_of_log()}")

    def follow(self, what, command, timeout, on_line, environment):
        """Runs a program with the emulator's environment, and calls `on_line` with each line of its
        output. Returns its exit code and output. The timeout between two lines is `timeout` seconds on
        an idle machine."""
        try:
            return follow(command, self.environment | environment, timeout, on_line, limit)
        except Late as late:
            sys.exit(f"{what} printed no line for too long:\n{late.output}\n{self.end_of_log()}")

    def client(self, service):
        """A boto3 client of a service, with the root user's credentials."""
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
    """Creates a certificate and a key for this machine. Returns their paths."""
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
