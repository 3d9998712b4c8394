"""Checks what `infra-gen` does to stacks.

A deployment without a change touches nothing, and a new route adds only its own resources. A deployment
loses data only with --allow-replacement, and is rolled back as a whole when it fails. Destroying a stack
deletes everything. The SAM template deploys to a working stack.
"""

from pathlib import Path

from samtranslator.yaml_helper import yaml_parse

from progress import say
from stacks import TIMEOUT, unasked

GENERATED = Path(__file__).resolve().parents[2] / "generated"

# A scenario that runs a job through the whole system.
JOB = "floor_plans::floor_plan_yields_its_rooms_with_progress_at_every_stage"

ROUTE = ["WebSocketApiPingPermission", "WebSocketApiPingRoute"]

# How to list the existing resources of a type: service, operation, path in the response.
LISTS = {
    "AWS::ApiGatewayV2::Api": ("apigatewayv2", "get_apis", "Items[].ApiId"),
    "AWS::DynamoDB::Table": ("dynamodb", "list_tables", "TableNames"),
    "AWS::IAM::Role": ("iam", "list_roles", "Roles[].RoleName"),
    "AWS::Lambda::Function": ("lambda", "list_functions", "Functions[].FunctionName"),
    "AWS::Logs::LogGroup": ("logs", "describe_log_groups", "logGroups[].logGroupName"),
    "AWS::S3::Bucket": ("s3", "list_buckets", "Buckets[].Name"),
    "AWS::SQS::Queue": ("sqs", "list_queues", "QueueUrls"),
}


def touched(stacks, name, before):
    """The logical ids of the resources with events after the first `before` ones."""
    events = stacks.events(name)
    new = events[: len(events) - before]
    return sorted({it["LogicalResourceId"] for it in new if it["LogicalResourceId"] != name})


def runs_a_job(scenarios, outputs, what):
    """Runs a job on the stack with outputs in this file."""
    passed, output = scenarios.one((outputs, outputs), JOB, timeout=60)
    if not passed:
        raise SystemExit(f"{what} fails {JOB}:\n{output}")


def unchanged(stacks, name):
    """Deploys a stack again without a change."""
    before = len(stacks.events(name))
    stacks.deploy(name, stacks.reference)
    changed = touched(stacks, name, before)
    if changed:
        raise SystemExit(f"deploying {name} again without a change has touched {changed}")
    say("deployed again without a change: nothing was touched")


def route_added(stacks, name):
    """Deploys to a stack that lacks a route of the template."""
    template = stacks.template("reference")
    for logical_id in ROUTE:
        del template["Resources"][logical_id]
    stacks.make(name, template, "reference")
    before = stacks.resources(name)
    stacks.deploy(name, stacks.reference)
    # The emulator has events for every resource at each update, so compare the resources instead.
    after = stacks.resources(name)
    new = sorted(after.keys() - before.keys())
    if new != ROUTE or before != {it: after.get(it) for it in before}:
        raise SystemExit(f"a new route should have added {ROUTE}, but {before} became {after}")
    explained = "resources: 2 added, 0 changed, 0 replaced, 0 removed"
    if explained not in stacks.log:
        raise SystemExit(f"'{explained}' is not in the output of the deployment:\n{stacks.log}")
    say(f"deployed a new route: {' and '.join(ROUTE)} were added, nothing else was touched")


def replaced(stacks, scenarios, name):
    """Deploys to a stack whose table of jobs has another name, so that it must be replaced: first without
    permission, then with a later failure, then with success."""
    template = stacks.template("reference")
    template["Resources"]["JobsTable"]["Properties"]["TableName"] = {"Fn::Sub": "old${NameSuffix}"}
    stacks.make(name, template, "reference")
    stacks.allow_batches(name)
    old, new = f"old-{name}", f"jobs-{name}"
    dynamodb = stacks.emulator.client("dynamodb")
    item = {"job_id": {"S": "kept"}}
    dynamodb.put_item(TableName=old, Item=item)
    before = stacks.resources(name)

    def expect_in(log, *parts):
        missing = [part for part in parts if part not in log]
        if missing:
            raise SystemExit(f"{missing} are not in the output of the deployment of {name}:\n{log}")

    def expect_unchanged(after_what):
        after = stacks.resources(name)
        tables = dynamodb.list_tables()["TableNames"]
        if after != before or new in tables:
            raise SystemExit(f"{after_what}, {before} became {after}, and the tables are {tables}")
        if dynamodb.get_item(TableName=old, Key=item).get("Item") != item:
            raise SystemExit(f"{after_what}, {old} has lost its item")

    log = stacks.fail_to_deploy(name, stacks.reference)
    expect_in(log, "-/+ JobsTable", "would lose the data", "give --allow-replacement")
    expect_unchanged("after a rejected deployment")
    say("a deployment would have replaced a table: it was rejected, nothing was touched")

    # The functions are updated after the table, and this package does not exist.
    options = "--allow-replacement", "--parameter", "PipelineCodeKey=pipeline/none"
    log = stacks.fail_to_deploy(name, stacks.reference, *options)
    cause, _, rest = log.rpartition("error: ")[2].partition("\n")
    expect_in(cause, "PipelineFunction (AWS::Lambda::Function) is UPDATE_FAILED")
    expect_in(rest, "pipeline/none", f"the stack {name} is UPDATE_ROLLBACK_COMPLETE")
    expect_unchanged("after a failed update")
    stacks.allow_batches(name)
    runs_a_job(scenarios, stacks.outputs(name), "the stack after a failed update")
    say("an update failed after it had replaced a table: it printed its first cause and was rolled back")

    outputs = stacks.deploy(name, stacks.reference, "--allow-replacement")
    after = stacks.resources(name)
    if after != before | {"JobsTable": new}:
        raise SystemExit(f"only JobsTable should have been replaced, but {before} became {after}")
    if old in dynamodb.list_tables()["TableNames"]:
        raise SystemExit(f"{old} was replaced, but still exists")
    runs_a_job(scenarios, outputs, "the stack with a replaced table")
    say("deployed with --allow-replacement: only the table was replaced")


def beside(stacks):
    """Deploys `prod` beside `dev`. With the names of `dev` it is rejected. With its own names it leaves
    `dev` unchanged, even if it fails and is rolled back."""
    dynamodb, sqs = stacks.emulator.client("dynamodb"), stacks.emulator.client("sqs")
    options = [*unasked(stacks.reference), "--endpoint-url", stacks.emulator.url]

    def deploy(*more):
        command = [stacks.infra_gen, "deploy", *options, *more]
        return stacks.emulator.run(f"`infra-gen deploy {' '.join(more)}`", command, TIMEOUT)

    def existing():
        return sorted(dynamodb.list_tables()["TableNames"]) + sorted(sqs.list_queues()["QueueUrls"])

    done = deploy("--environment", "dev")
    if done.returncode != 0:
        raise SystemExit(f"the deployment of dev failed:\n{done.stdout}{done.stderr}")
    item = {"job_id": {"S": "kept"}}
    dynamodb.put_item(TableName="jobs", Item=item)
    before = existing()
    refused = deploy("--environment", "prod", "--name-suffix=")
    expected = "'jobs' exists, owned by the stack stagecast-dev"
    if refused.returncode != 1 or expected not in refused.stderr:
        raise SystemExit(f"prod with the names of dev was not rejected:\n{refused.stdout}{refused.stderr}")
    if existing() != before:
        raise SystemExit(f"a rejected deployment changed {before} to {existing()}")
    # The emulator does not support prod's alarms over several metrics, so it fails and rolls back.
    done = deploy("--environment", "prod")
    made = "JobEventsTable AWS::DynamoDB::Table"
    if made not in done.stderr:
        raise SystemExit(f"the deployment of prod did not start:\n{done.stdout}{done.stderr}")
    if dynamodb.get_item(TableName="jobs", Key=item).get("Item") != item or not set(before) <= set(existing()):
        raise SystemExit(f"deploying prod has changed dev: {before} became {existing()}")
    how = "deployed" if done.returncode == 0 else "failed and rolled back"
    say(f"prod beside dev: rejected with dev's names, {how} with its own; dev is unchanged")


def sam(stacks, scenarios, name):
    """Deploys the SAM template, and runs a job on it."""
    template = yaml_parse((GENERATED / "template.yaml").read_text(encoding="utf-8"))
    code = {
        it["ParameterKey"]: it["ParameterValue"] for it in stacks.describe("reference")["Parameters"]
    }
    # As `sam package` does.
    for logical_id, resource in template["Resources"].items():
        if resource["Type"] == "AWS::Serverless::Function":
            key = code[logical_id.replace("Function", "CodeKey")]
            resource["Properties"]["CodeUri"] = {"Bucket": code["ArtifactBucket"], "Key": key}
    stacks.make(name, template)
    runs_a_job(scenarios, stacks.outputs(name), "the stack of the SAM template")
    say("deployed the SAM template: a job with a floor plan completes")


def destroyed(stacks, name):
    """Destroys a stack, and checks that no resource of the types in `LISTS` is left."""
    resources = stacks.cloudformation.describe_stack_resources(StackName=name)["StackResources"]
    stacks.run("destroy", name, "--yes")
    left, looked_for = [], 0
    for kind, (service, operation, where) in LISTS.items():
        client = stacks.emulator.client(service)
        pages = client.get_paginator(operation).paginate()
        existing = {it for it in pages.search(where) if it}
        existing = {id for it in existing for id in (it if isinstance(it, list) else [it])}
        ours = {it["PhysicalResourceId"] for it in resources if it["ResourceType"] == kind}
        if not ours:
            raise SystemExit(f"{name} had no {kind}")
        left += sorted(ours & existing)
        looked_for += len(ours)
    if left:
        raise SystemExit(f"{name} was destroyed, but these resources are left: {left}")
    say(f"destroyed: {looked_for} of {len(resources)} resources were checked, and none is left")
