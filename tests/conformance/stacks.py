"""Creates, changes and deletes stacks with `infra-gen`, and inspects them through CloudFormation."""

import json
import platform
import subprocess
from pathlib import Path

from samtranslator.yaml_helper import yaml_parse

from pace import limit
from progress import say

# IAM has one action for both operations. ministack requires a second action for batches.
BATCHES = {"sqs:SendMessage": "sqs:SendMessageBatch"}

# The emulator runs the functions on this machine's processor.
ARCHITECTURE = {"x86_64": "x86_64", "aarch64": "arm64"}.get(platform.machine())

# The bucket of templates that are deployed without `infra-gen`.
TEMPLATES = "conformance-templates"

# Timeout of `infra-gen`, in seconds.
TIMEOUT = 600

# A function is an executable of handlers/ with its name.
EXECUTABLES = Path(__file__).resolve().parents[2] / "handlers/src/bin"
FUNCTIONS = tuple(sorted(main.stem for main in EXECUTABLES.glob("*.rs")))

# The functions with another executable in the stack with the scripted pipeline.
SCRIPTED = ("jobs", "pipeline")


def unasked(binaries):
    """The options of `infra-gen deploy` for the functions in a folder, without prompts."""
    options = ["--yes", "--set-up-logging", "--architecture", ARCHITECTURE]
    return [*options, "--binaries", str(binaries)]


class Stacks:
    """The stacks of one product on an emulator. `executables` is the folder with its infra-gen and functions."""

    def __init__(self, emulator, executables, name="reference"):
        self.emulator = emulator
        self.cloudformation = emulator.client("cloudformation")
        self.executables = executables
        self.infra_gen = executables / "infra-gen"
        self.reference = self.binaries(name)
        # The standard error of the last deployment.
        self.log = ""

    def binaries(self, name, scripted=()):
        """Writes the functions to a new folder, some of them with scripts. Returns the folder."""
        folder = self.emulator.folder / f"{name}-binaries"
        folder.mkdir()
        for function in FUNCTIONS:
            real = self.executables / (f"scripted_{function}" if function in scripted else function)
            # Debug information is half of the file, and would double the time to pack it.
            subprocess.run(["strip", "-o", folder / function, real], check=True)
        return folder

    def attempt(self, verb, name, *arguments):
        """Runs `infra-gen` for the stack `name`. Returns the completed process."""
        command = [self.infra_gen, verb, "--name-suffix", f"-{name}", "--stack-name", name]
        command += ["--endpoint-url", self.emulator.url, *arguments]
        if verb != "outputs":
            say(f"infra-gen {verb}: {name}")
        return self.emulator.run(f"`infra-gen {verb}` for {name}", command, TIMEOUT)

    def run(self, verb, name, *arguments):
        """Runs `infra-gen` for the stack `name`, which must succeed. Returns its standard output."""
        done = self.attempt(verb, name, *arguments)
        if done.returncode != 0:
            raise SystemExit(f"`infra-gen {verb}` for {name} failed:\n{done.stdout}{done.stderr}")
        if verb == "deploy":
            self.log = done.stderr
        return done.stdout

    def deploy(self, name, binaries, *options):
        """Deploys the functions in a folder. Returns the file with the stack's outputs."""
        self.run("deploy", name, *unasked(binaries), *options)
        self.allow_batches(name)
        return self.outputs(name)

    def fail_to_deploy(self, name, binaries, *options):
        """Runs a deployment that must fail. Returns its standard error."""
        done = self.attempt("deploy", name, *unasked(binaries), *options)
        if done.returncode != 1:
            raise SystemExit(
                f"`infra-gen deploy` for {name} with {options} should have failed, but ended with "
                f"{done.returncode}:\n{done.stdout}{done.stderr}"
            )
        return done.stderr

    def allow_batches(self, name):
        """Adds the actions that only ministack requires to the policies of a stack."""
        iam = self.emulator.client("iam")
        for function in FUNCTIONS:
            role = self.resources(name)[f"{function.capitalize()}Role"]
            document = iam.get_role_policy(RoleName=role, PolicyName="grants")["PolicyDocument"]
            for statement in document["Statement"]:
                actions = statement["Action"]
                actions += [BATCHES[it] for it in actions if it in BATCHES]
            iam.put_role_policy(
                RoleName=role, PolicyName="grants", PolicyDocument=json.dumps(document)
            )

    def make(self, name, template, original=None):
        """Creates a stack without `infra-gen`, with the parameters and tags of the stack `original`."""
        like = self.describe(original) if original else {"Parameters": [], "Tags": []}
        suffix = {"ParameterKey": "NameSuffix", "ParameterValue": f"-{name}"}
        others = [it for it in like["Parameters"] if it["ParameterKey"] != "NameSuffix"]
        say(f"creating the stack {name}")
        self.cloudformation.create_stack(
            StackName=name,
            TemplateURL=self.store(f"{name}.json", json.dumps(template)),
            Parameters=[*others, suffix],
            Tags=like["Tags"],
            Capabilities=["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"],
        )
        self.cloudformation.get_waiter("stack_create_complete").wait(
            StackName=name, WaiterConfig={"Delay": 1, "MaxAttempts": round(limit(TIMEOUT))}
        )

    def store(self, key, text):
        """Stores a template in a bucket, because CloudFormation takes at most 51,200 bytes in a request. Returns its URL."""
        s3 = self.emulator.client("s3")
        if TEMPLATES not in [bucket["Name"] for bucket in s3.list_buckets()["Buckets"]]:
            s3.create_bucket(Bucket=TEMPLATES)
        s3.put_object(Bucket=TEMPLATES, Key=key, Body=text.encode())
        return f"{s3.meta.endpoint_url}/{TEMPLATES}/{key}"

    def copy(self, original, name):
        """Creates a copy of a stack. Returns the file with its outputs."""
        self.make(name, self.template(original), original)
        self.allow_batches(name)
        return self.outputs(name)

    def outputs(self, name):
        """Writes the outputs of a stack to a file. Returns its path."""
        file = self.emulator.folder / f"{name}.json"
        file.write_text(self.run("outputs", name, "--json"), encoding="utf-8")
        return file

    def describe(self, name):
        """CloudFormation's description of a stack."""
        return self.cloudformation.describe_stacks(StackName=name)["Stacks"][0]

    def resources(self, name):
        """The resources of a stack: physical ids by logical id."""
        resources = self.cloudformation.describe_stack_resources(StackName=name)["StackResources"]
        return {it["LogicalResourceId"]: it["PhysicalResourceId"] for it in resources}

    def template(self, name):
        """The template of a stack."""
        body = self.cloudformation.get_template(StackName=name)["TemplateBody"]
        return body if isinstance(body, dict) else yaml_parse(body)

    def events(self, name):
        """The events of a stack, the latest first."""
        pages = self.cloudformation.get_paginator("describe_stack_events")
        return [event for page in pages.paginate(StackName=name) for event in page["StackEvents"]]
