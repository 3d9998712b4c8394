"""Stacks: made, changed and removed by `infra-gen`, looked at through CloudFormation."""

import json
import platform
import subprocess

from samtranslator.yaml_helper import yaml_parse

from pace import limit
from progress import say

# For batches too, IAM asks for the first and knows no second. ministack asks for the second.
BATCHES = {"sqs:SendMessage": "sqs:SendMessageBatch"}

# The emulator runs the functions on this machine, so they are for its processor.
ARCHITECTURE = {"x86_64": "x86_64", "aarch64": "arm64"}.get(platform.machine())

# Seconds that `infra-gen` may take.
PATIENCE = 600

FUNCTIONS = ("websocket", "jobs", "pipeline", "delivery", "worker")

# The functions that another executable takes the place of, where the pipeline follows scripts.
SCRIPTED = ("jobs", "pipeline")


def unasked(binaries):
    """The options that have the functions in a folder deployed without a question."""
    options = ["--yes", "--set-up-logging", "--architecture", ARCHITECTURE]
    return [*options, "--binaries", str(binaries)]


class Stacks:
    """The stacks of one emulator."""

    def __init__(self, emulator, executables):
        self.emulator = emulator
        self.cloudformation = emulator.client("cloudformation")
        self.infra_gen = executables / "infra-gen"
        self.reference = emulator.folder / "reference"
        self.scripted = emulator.folder / "scripted"
        # What the last deployment has told whoever runs it, besides its output.
        self.told = ""
        for folder in (self.reference, self.scripted):
            folder.mkdir()
            for function in FUNCTIONS:
                is_scripted = function in SCRIPTED and folder == self.scripted
                real = executables / (f"scripted_{function}" if is_scripted else function)
                # Half of it would help a debugger, and take half of the time to pack.
                subprocess.run(["strip", "-o", folder / function, real], check=True)

    def attempt(self, verb, name, *arguments):
        """Runs `infra-gen` about the stack `name`; answers with how it ended."""
        command = [self.infra_gen, verb, "--name-suffix", f"-{name}", "--stack-name", name]
        command += ["--endpoint-url", self.emulator.url, *arguments]
        if verb != "outputs":
            say(f"infra-gen {verb}: {name}")
        return self.emulator.run(f"`infra-gen {verb}` for {name}", command, PATIENCE)

    def run(self, verb, name, *arguments):
        """Runs `infra-gen` about the stack `name`; answers with what it wrote to standard output."""
        done = self.attempt(verb, name, *arguments)
        if done.returncode != 0:
            raise SystemExit(f"`infra-gen {verb}` for {name} failed:\n{done.stdout}{done.stderr}")
        if verb == "deploy":
            self.told = done.stderr
        return done.stdout

    def deploy(self, name, binaries, *options):
        """Deploys the functions in a folder; answers with the file that holds the outputs."""
        self.run("deploy", name, *unasked(binaries), *options)
        self.allow_batches(name)
        return self.outputs(name)

    def fail_to_deploy(self, name, binaries, *options):
        """Deploys what cannot be deployed; answers with what whoever runs it is told."""
        done = self.attempt("deploy", name, *unasked(binaries), *options)
        if done.returncode != 1:
            raise SystemExit(
                f"`infra-gen deploy` for {name} with {options} should have failed, but ended with "
                f"{done.returncode}:\n{done.stdout}{done.stderr}"
            )
        return done.stderr

    def allow_batches(self, name):
        """Adds to the policies of a stack what only ministack asks for."""
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
        """Makes a stack without `infra-gen`, with the parameters and tags of the stack `original`."""
        like = self.describe(original) if original else {"Parameters": [], "Tags": []}
        suffix = {"ParameterKey": "NameSuffix", "ParameterValue": f"-{name}"}
        others = [it for it in like["Parameters"] if it["ParameterKey"] != "NameSuffix"]
        say(f"making the stack {name}")
        self.cloudformation.create_stack(
            StackName=name,
            TemplateBody=json.dumps(template),
            Parameters=[*others, suffix],
            Tags=like["Tags"],
            Capabilities=["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"],
        )
        self.cloudformation.get_waiter("stack_create_complete").wait(
            StackName=name, WaiterConfig={"Delay": 1, "MaxAttempts": round(limit(PATIENCE))}
        )

    def copy(self, original, name):
        """Makes a stack like another one; answers with the file that holds the outputs."""
        self.make(name, self.template(original), original)
        self.allow_batches(name)
        return self.outputs(name)

    def outputs(self, name):
        """The file that holds the outputs of a stack, by name."""
        file = self.emulator.folder / f"{name}.json"
        file.write_text(self.run("outputs", name, "--json"), encoding="utf-8")
        return file

    def describe(self, name):
        """What CloudFormation says about a stack."""
        return self.cloudformation.describe_stacks(StackName=name)["Stacks"][0]

    def resources(self, name):
        """The resources of a stack: physical ids by logical id."""
        resources = self.cloudformation.describe_stack_resources(StackName=name)["StackResources"]
        return {it["LogicalResourceId"]: it["PhysicalResourceId"] for it in resources}

    def template(self, name):
        """The template that a stack was made from."""
        body = self.cloudformation.get_template(StackName=name)["TemplateBody"]
        return body if isinstance(body, dict) else yaml_parse(body)

    def events(self, name):
        """What has happened to a stack's resources so far, the latest first."""
        pages = self.cloudformation.get_paginator("describe_stack_events")
        return [event for page in pages.paginate(StackName=name) for event in page["StackEvents"]]
