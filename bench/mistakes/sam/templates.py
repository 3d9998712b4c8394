"""The seeded mistakes of declarations, as SAM templates: what each of them changes in a base template."""

import copy

CODE = "def handler(event, context):\n    return {'statusCode': 200}\n"
DEAD_LETTERS = {"Fn::GetAtt": ["DeadLetters", "Arn"]}
TABLE_ARN = {"Fn::GetAtt": ["Orders", "Arn"]}


def function(**more):
    return {
        "Type": "AWS::Serverless::Function",
        "Properties": {
            "Runtime": "python3.13",
            "Handler": "index.handler",
            "InlineCode": CODE,
            "MemorySize": 256,
            "Timeout": 10,
            **more,
        },
    }


def data(kind, **properties):
    return {"Type": kind, "DeletionPolicy": "Retain", "UpdateReplacePolicy": "Retain", "Properties": properties}


def attribute(name, kind="S"):
    return {"AttributeName": name, "AttributeType": kind}


def key(*names):
    return [{"AttributeName": name, "KeyType": kind} for name, kind in zip(names, ("HASH", "RANGE"))]


def route(path, method="GET"):
    return {"Type": "HttpApi", "Properties": {"Path": path, "Method": method}}


def statement(action, resource):
    return [{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": action, "Resource": resource}]}]


SOURCE = {
    "Queue": {"Fn::GetAtt": ["Shipments", "Arn"]},
    "BatchSize": 10,
    "FunctionResponseTypes": ["ReportBatchItemFailures"],
}

BASE = {
    "AWSTemplateFormatVersion": "2010-09-09",
    "Transform": "AWS::Serverless-2016-10-31",
    "Resources": {
        "Orders": data(
            "AWS::DynamoDB::Table",
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[attribute("order_id"), attribute("customer_id")],
            KeySchema=key("order_id"),
            GlobalSecondaryIndexes=[
                {"IndexName": "by_customer", "KeySchema": key("customer_id"), "Projection": {"ProjectionType": "ALL"}}
            ],
            TimeToLiveSpecification={"AttributeName": "expires_at", "Enabled": True},
        ),
        "DeadLetters": data("AWS::SQS::Queue"),
        "Shipments": data(
            "AWS::SQS::Queue",
            VisibilityTimeout=60,
            RedrivePolicy={"deadLetterTargetArn": DEAD_LETTERS, "maxReceiveCount": 5},
        ),
        "Ship": function(
            Timeout=60,
            Policies=[{"DynamoDBReadPolicy": {"TableName": {"Ref": "Orders"}}}],
            Environment={"Variables": {"ORDERS_TABLE": {"Ref": "Orders"}}},
            Events={"Shipments": {"Type": "SQS", "Properties": SOURCE}},
        ),
        "OrdersFunction": function(Events={"GetOrder": route("/v1/orders/{order_id}")}),
    },
}


def live(*routes):
    """A WebSocket API with a route for each pair of a key and further properties."""
    api = {"Ref": "Live"}
    uri = "arn:aws:apigateway:${AWS::Region}:lambda:path/2015-03-31/functions/${OrdersFunction.Arn}/invocations"
    integration = {"ApiId": api, "IntegrationType": "AWS_PROXY", "IntegrationUri": {"Fn::Sub": uri}}
    resources = {
        "Live": {
            "Type": "AWS::ApiGatewayV2::Api",
            "Properties": {
                "Name": "live",
                "ProtocolType": "WEBSOCKET",
                "RouteSelectionExpression": "$request.body.type",
            },
        },
        "LiveIntegration": {"Type": "AWS::ApiGatewayV2::Integration", "Properties": integration},
    }
    for number, (route_key, more) in enumerate(routes):
        target = {"Fn::Sub": "integrations/${LiveIntegration}"}
        properties = {"ApiId": api, "RouteKey": route_key, "Target": target, **more}
        resources[f"LiveRoute{number}"] = {"Type": "AWS::ApiGatewayV2::Route", "Properties": properties}
    return resources


def ship(template, **more):
    template["Resources"]["Ship"]["Properties"].update(more)


def shipments(template, **more):
    template["Resources"]["Shipments"]["Properties"].update(more)


def orders(template, **more):
    template["Resources"]["Orders"]["Properties"].update(more)


def events(template, *paths):
    properties = template["Resources"]["OrdersFunction"]["Properties"]
    properties["Events"] = {f"Route{number}": route(path) for number, path in enumerate(paths)}


def source(template, **more):
    ship(template, Events={"Shipments": {"Type": "SQS", "Properties": SOURCE | more}})


def add(template, resources):
    template["Resources"].update(resources)


def without_item_failures(template):
    del template["Resources"]["Ship"]["Properties"]["Events"]["Shipments"]["Properties"]["FunctionResponseTypes"]


def without_policy(template):
    for name in ("DeletionPolicy", "UpdateReplacePolicy"):
        del template["Resources"]["Shipments"][name]


def route_without_function(template):
    properties = {"ApiId": {"Ref": "ServerlessHttpApi"}, "RouteKey": "GET /v1/totals"}
    add(template, {"Totals": {"Type": "AWS::ApiGatewayV2::Route", "Properties": properties}})


def code_missing(template):
    del template["Resources"]["Ship"]["Properties"]["InlineCode"]
    ship(template, CodeUri="no-such-folder/")


def table_name_twice(template):
    orders(template, TableName="orders")
    archive = copy.deepcopy(template["Resources"]["Orders"])
    add(template, {"Archive": archive})


def attribute_two_types(template):
    kinds = [attribute("order_id"), attribute("ordered_at", "N"), attribute("ordered_at"), attribute("customer_id")]
    orders(template, AttributeDefinitions=kinds, KeySchema=key("order_id", "ordered_at"))


MISTAKES = {
    "none": lambda template: None,
    "memory_too_small": lambda template: ship(template, MemorySize=100),
    "memory_too_large": lambda template: ship(template, MemorySize=20000),
    "timeout_too_long": lambda template: (ship(template, Timeout=1200), shipments(template, VisibilityTimeout=1200)),
    "storage_too_large": lambda template: ship(template, EphemeralStorage={"Size": 20480}),
    "timeout_over_api_gateway": lambda template: template["Resources"]["OrdersFunction"]["Properties"].update(Timeout=60),
    "visibility_too_long": lambda template: shipments(template, VisibilityTimeout=54000),
    "visibility_under_timeout": lambda template: shipments(template, VisibilityTimeout=45),
    "batch_without_window": lambda template: source(template, BatchSize=100),
    "receives_out_of_bounds": lambda template: shipments(
        template, RedrivePolicy={"deadLetterTargetArn": DEAD_LETTERS, "maxReceiveCount": 2000}
    ),
    "log_retention": lambda template: add(template, {"Logs": data("AWS::Logs::LogGroup", RetentionInDays=10)}),
    "no_item_failures": without_item_failures,
    "path_unbalanced": lambda template: events(template, "/v1/orders/{order_id"),
    "route_twice": lambda template: events(template, "/v1/orders", "/v1/orders"),
    "route_parameter_name": lambda template: events(template, "/v1/orders/{order_id}", "/v1/orders/{name}"),
    "message_route_twice": lambda template: add(template, live(("subscribe", {}), ("subscribe", {}))),
    "message_authorizer": lambda template: add(template, live(("subscribe", {"AuthorizationType": "AWS_IAM"}))),
    "stage_default": lambda template: add(
        template,
        {
            **live(("subscribe", {})),
            "Stage": {
                "Type": "AWS::ApiGatewayV2::Stage",
                "Properties": {"ApiId": {"Ref": "Live"}, "StageName": "$default", "AutoDeploy": True},
            },
        },
    ),
    "queue_name_characters": lambda template: shipments(template, QueueName="to ship"),
    "queue_name_length": lambda template: shipments(template, QueueName="s" * 81),
    "table_name_twice": table_name_twice,
    "dangling_reference": lambda template: template.update(Outputs={"Url": {"Value": {"Ref": "Shipmnets"}}}),
    "route_without_function": route_without_function,
    # The base permits reads only: see `grant_missing` in handlers.py.
    "grant_missing": lambda template: None,
    "grant_of_other_kind": lambda template: ship(template, Policies=statement("sqs:SendMessage", TABLE_ARN)),
    "index_not_granted": lambda template: ship(template, Policies=statement("dynamodb:Query", TABLE_ARN)),
    "action_wildcard": lambda template: ship(template, Policies=statement("dynamodb:*", TABLE_ARN)),
    "action_misspelt": lambda template: ship(template, Policies=statement("dynamodb:GetItme", TABLE_ARN)),
    "action_other_service": lambda template: ship(
        template, Policies=statement("lambda:InvokeFunction", "arn:aws:sns:eu-central-1:123456789012:alerts")
    ),
    "resource_everything": lambda template: ship(template, Policies=statement("dynamodb:GetItem", "*")),
    "grant_unused": lambda template: ship(template, Policies=[{"DynamoDBCrudPolicy": {"TableName": {"Ref": "Orders"}}}]),
    "secret_in_environment": lambda template: ship(
        template, Environment={"Variables": {"KEY": "{{resolve:secretsmanager:billing:SecretString}}"}}
    ),
    # The template has no type for the attribute of the time to live.
    "ttl_declared_text": lambda template: None,
    "attribute_two_types": attribute_two_types,
    "data_without_policy": without_policy,
    "variables_too_large": lambda template: ship(
        template, Environment={"Variables": {"ORIGINS": "https://tenant.example.com " * 200}}
    ),
    "code_missing": code_missing,
    "handler_missing": lambda template: ship(template, Handler="index.handle"),
}


def template(name):
    """The template with the mistake `name`."""
    made = copy.deepcopy(BASE)
    MISTAKES[name](made)
    return made
