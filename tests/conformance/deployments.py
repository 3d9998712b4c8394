"""What `infra-gen` does to stacks: nothing when nothing has changed, just a route when a route is new,
nothing that loses data unless it is told to, all or nothing, everything away in the end. And what the
SAM template comes to."""

from pathlib import Path

from samtranslator.yaml_helper import yaml_parse

from progress import say
from stacks import PATIENCE, unasked

GENERATED = Path(__file__).resolve().parents[2] / "generated"

# A job goes through the whole system.
JOB = "floor_plans::floor_plan_yields_its_rooms_with_progress_at_every_stage"

ROUTE = ["WebSocketApiPingPermission", "WebSocketApiPingRoute"]

# How to find out which things of a kind are there: service, operation, where in the answer.
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
    """The resources that something has happened to since there were `before` events."""
    events = stacks.events(name)
    new = events[: len(events) - before]
    return sorted({it["LogicalResourceId"] for it in new if it["LogicalResourceId"] != name})


def runs_a_job(scenarios, outputs, what):
    """Runs a job on the stack whose outputs are in this file."""
    passed, output = scenarios.one((outputs, outputs), JOB, patience=60)
    if not passed:
        raise SystemExit(f"{what} fails {JOB}:\n{output}")


def unchanged(stacks, name):
    """Deploys a stack again, as it is."""
    before = len(stacks.events(name))
    stacks.deploy(name, stacks.reference)
    changed = touched(stacks, name, before)
    if changed:
        raise SystemExit(f"deploying {name} again, as it was, changed {changed}")
    say("deployed again as it was: nothing was touched")


def route_added(stacks, name):
    """Deploys a stack that lacks a route of the template."""
    template = stacks.template("reference")
    for logical_id in ROUTE:
        del template["Resources"][logical_id]
    stacks.make(name, template, "reference")
    before = stacks.resources(name)
    stacks.deploy(name, stacks.reference)
    # The emulator goes through every resource at each update: its events tell nothing.
    after = stacks.resources(name)
    new = sorted(after.keys() - before.keys())
    if new != ROUTE or before != {it: after.get(it) for it in before}:
        raise SystemExit(f"a new route should have made {ROUTE}, but {before} became {after}")
    explained = "resources: 2 added, 0 changed, 0 replaced, 0 removed"
    if explained not in stacks.told:
        raise SystemExit(f"'{explained}' is not in what was said before:\n{stacks.told}")
    say(f"a route was new: {' and '.join(ROUTE)} were made, nothing else was touched")


def replaced(stacks, scenarios, name):
    """Deploys to a stack whose table of jobs has another name, so that it has to be replaced: refused,
    failing after the replacement, done."""
    template = stacks.template("reference")
    template["Resources"]["JobsTable"]["Properties"]["TableName"] = {"Fn::Sub": "old${NameSuffix}"}
    stacks.make(name, template, "reference")
    stacks.allow_batches(name)
    old, new = f"old-{name}", f"jobs-{name}"
    dynamodb = stacks.emulator.client("dynamodb")
    item = {"job_id": {"S": "kept"}}
    dynamodb.put_item(TableName=old, Item=item)
    before = stacks.resources(name)

    def is_told(told, *parts):
        missing = [part for part in parts if part not in told]
        if missing:
            raise SystemExit(f"{missing} are not in what was said about {name}:\n{told}")

    def is_as_it_was(after_what):
        after = stacks.resources(name)
        tables = dynamodb.list_tables()["TableNames"]
        if after != before or new in tables:
            raise SystemExit(f"{after_what}, {before} became {after}, and there are {tables}")
        if dynamodb.get_item(TableName=old, Key=item).get("Item") != item:
            raise SystemExit(f"{after_what}, {old} has lost what it held")

    told = stacks.fail_to_deploy(name, stacks.reference)
    is_told(told, "-/+ JobsTable", "would be lost", "give --allow-replacement")
    is_as_it_was("after a refusal")
    say("a table would have been replaced: refused, nothing was touched")

    # Its functions come after the table. There is no such package.
    options = "--allow-replacement", "--parameter", "PipelineCodeKey=pipeline/none"
    told = stacks.fail_to_deploy(name, stacks.reference, *options)
    cause, _, rest = told.rpartition("error: ")[2].partition("\n")
    is_told(cause, "PipelineFunction (AWS::Lambda::Function) is UPDATE_FAILED")
    is_told(rest, "pipeline/none", f"the stack {name} is UPDATE_ROLLBACK_COMPLETE")
    is_as_it_was("after an update that failed")
    stacks.allow_batches(name)
    runs_a_job(scenarios, stacks.outputs(name), "what an update has failed on")
    say("an update failed after it had replaced a table: its first cause was printed, all was undone")

    outputs = stacks.deploy(name, stacks.reference, "--allow-replacement")
    after = stacks.resources(name)
    if after != before | {"JobsTable": new}:
        raise SystemExit(f"only JobsTable should have been replaced, but {before} became {after}")
    if old in dynamodb.list_tables()["TableNames"]:
        raise SystemExit(f"{old} was replaced, and is still there")
    runs_a_job(scenarios, outputs, "the stack whose table was replaced")
    say("deployed after that, with --allow-replacement: the table was replaced, and nothing else")


def beside(stacks):
    """Deploys `prod` beside `dev`: refused under the names of `dev`; under its own, `dev` stays as it is,
    even if the deployment fails and is rolled back."""
    dynamodb, sqs = stacks.emulator.client("dynamodb"), stacks.emulator.client("sqs")
    options = [*unasked(stacks.reference), "--endpoint-url", stacks.emulator.url]

    def deploy(*more):
        command = [stacks.infra_gen, "deploy", *options, *more]
        return stacks.emulator.run(f"`infra-gen deploy {' '.join(more)}`", command, PATIENCE)

    def there():
        return sorted(dynamodb.list_tables()["TableNames"]) + sorted(sqs.list_queues()["QueueUrls"])

    done = deploy("--environment", "dev")
    if done.returncode != 0:
        raise SystemExit(f"dev was not deployed:\n{done.stdout}{done.stderr}")
    item = {"job_id": {"S": "kept"}}
    dynamodb.put_item(TableName="jobs", Item=item)
    before = there()
    refused = deploy("--environment", "prod", "--name-suffix=")
    expected = "'jobs' exists, owned by the stack stagecast-dev"
    if refused.returncode != 1 or expected not in refused.stderr:
        raise SystemExit(f"prod with the names of dev was not refused:\n{refused.stdout}{refused.stderr}")
    if there() != before:
        raise SystemExit(f"a refused deployment changed {before} to {there()}")
    # The emulator has no alarms over several metrics, so it fails on those of prod and rolls back.
    done = deploy("--environment", "prod")
    made = "JobEventsTable AWS::DynamoDB::Table"
    if made not in done.stderr:
        raise SystemExit(f"prod was not begun:\n{done.stdout}{done.stderr}")
    if dynamodb.get_item(TableName="jobs", Key=item).get("Item") != item or not set(before) <= set(there()):
        raise SystemExit(f"deploying prod has touched what dev had: {before} became {there()}")
    how = "deployed" if done.returncode == 0 else "failed and rolled back"
    say(f"prod beside dev: refused under dev's names, {how} under its own; dev is untouched")


def sam(stacks, scenarios, name):
    """Deploys the SAM template, and runs a job on it."""
    template = yaml_parse((GENERATED / "template.yaml").read_text(encoding="utf-8"))
    code = {
        it["ParameterKey"]: it["ParameterValue"] for it in stacks.describe("reference")["Parameters"]
    }
    # What `sam package` does.
    for logical_id, resource in template["Resources"].items():
        if resource["Type"] == "AWS::Serverless::Function":
            key = code[logical_id.replace("Function", "CodeKey")]
            resource["Properties"]["CodeUri"] = {"Bucket": code["ArtifactBucket"], "Key": key}
    stacks.make(name, template)
    runs_a_job(scenarios, stacks.outputs(name), "the stack of the SAM template")
    say("the SAM template is deployed, and a floor plan goes in and its rooms come out")


def destroyed(stacks, name):
    """Destroys a stack, and looks for what is left of it among the kinds of resources in `LISTS`."""
    resources = stacks.cloudformation.describe_stack_resources(StackName=name)["StackResources"]
    stacks.run("destroy", name, "--yes")
    left, looked_for = [], 0
    for kind, (service, operation, where) in LISTS.items():
        client = stacks.emulator.client(service)
        pages = client.get_paginator(operation).paginate()
        there = {it for it in pages.search(where) if it}
        there = {id for it in there for id in (it if isinstance(it, list) else [it])}
        ours = {it["PhysicalResourceId"] for it in resources if it["ResourceType"] == kind}
        if not ours:
            raise SystemExit(f"{name} had no {kind}")
        left += sorted(ours & there)
        looked_for += len(ours)
    if left:
        raise SystemExit(f"{name} was destroyed, but this is left: {left}")
    say(f"destroyed: of {len(resources)} resources, {looked_for} were looked for, and none is left")
