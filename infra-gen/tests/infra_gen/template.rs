//! The content of the templates.

use std::collections::BTreeSet;

use contract::PipelineFunction;
use serde_json::{Value, json};
use stagecast_contract::routes::{HttpRoute, Route};
use stagecast_infra::{
    environments::{
        CertificateId, ConnectAuthorizer, CustomDomain, DomainName, Environment, JwtAuthorizer,
        Origin, TopicArn,
    },
    stack,
    template::Format,
};
use typed_contract::functions::{Function, Trigger};

fn template(environment: &Environment) -> Value {
    stack::synthesize(infra_gen::project(), environment)
        .expect("a template")
        .to_json(Format::CloudFormation)
        .expect("JSON")
}

fn resources<'a>(template: &'a Value, kind: &str) -> Vec<(&'a str, &'a Value)> {
    template["Resources"]
        .as_object()
        .expect("resources")
        .iter()
        .filter(|(_, resource)| resource["Type"] == kind)
        .map(|(id, resource)| (id.as_str(), resource))
        .collect()
}

/// A function's name as part of logical ids.
fn capitalized(name: &str) -> String {
    let (first, rest) = name.split_at(1);
    first.to_uppercase() + rest
}

#[test]
fn every_route_has_authorization_and_a_permission() {
    let template = template(&Environment::dev());
    let routes = resources(&template, "AWS::ApiGatewayV2::Route");
    assert_eq!(routes.len(), Route::ALL.len() + HttpRoute::ALL.len());
    let permissions = resources(&template, "AWS::Lambda::Permission");
    for (id, route) in &routes {
        assert_eq!(route["Properties"]["AuthorizationType"], "NONE", "{id}");
        let permission = id.replace("Route", "Permission");
        assert!(permissions.iter().any(|(id, _)| *id == permission), "{id}");
    }
    let sources: BTreeSet<_> = permissions
        .iter()
        .map(|(_, permission)| permission["Properties"]["SourceArn"].to_string())
        .collect();
    assert_eq!(sources.len(), routes.len());
    for route in Route::ALL {
        let end = format!(":${{WebSocketApi}}/live/{}\"}}", route.key());
        assert!(sources.iter().any(|arn| arn.ends_with(&end)), "{end}");
    }
}

#[test]
fn role_allows_exactly_what_its_function_is_granted() {
    let template = template(&Environment::dev());
    for function in contract::PRODUCT.all_functions() {
        let mut expected: BTreeSet<_> = function.grants.iter().map(|grant| grant.action).collect();
        expected.extend([
            "logs:CreateLogStream",
            "logs:PutLogEvents",
            "xray:PutTelemetryRecords",
            "xray:PutTraceSegments",
        ]);
        for trigger in function.triggers {
            if let Trigger::Queue { .. } = trigger {
                expected.extend([
                    "sqs:DeleteMessage",
                    "sqs:GetQueueAttributes",
                    "sqs:ReceiveMessage",
                ]);
            }
        }
        let role = &template["Resources"][format!("{}Role", capitalized(function.name))];
        let statements = role["Properties"]["Policies"][0]["PolicyDocument"]["Statement"]
            .as_array()
            .expect("statements");
        let allowed: BTreeSet<_> = statements
            .iter()
            .flat_map(|statement| statement["Action"].as_array().expect("actions"))
            .filter_map(Value::as_str)
            .collect();
        assert_eq!(allowed, expected, "{}", function.name);

        let sids: BTreeSet<_> = statements
            .iter()
            .map(|statement| statement["Sid"].to_string())
            .collect();
        assert_eq!(sids.len(), statements.len(), "{}", function.name);
    }
}

#[test]
fn grants_on_a_queue_and_its_consumption_are_one_statement() {
    let template = template(&Environment::dev());
    let statements = &template["Resources"]["PipelineRole"]["Properties"]["Policies"][0]["PolicyDocument"]
        ["Statement"];
    let queue = statements
        .as_array()
        .expect("statements")
        .iter()
        .find(|statement| statement["Sid"] == "JobsQueue")
        .expect("a statement about the queue");
    assert_eq!(
        queue,
        &json!({
            "Sid": "JobsQueue",
            "Effect": "Allow",
            "Action": [
                "sqs:ChangeMessageVisibility",
                "sqs:DeleteMessage",
                "sqs:GetQueueAttributes",
                "sqs:ReceiveMessage",
                "sqs:SendMessage",
            ],
            "Resource": [{ "Fn::GetAtt": ["JobsQueue", "Arn"] }],
        })
    );
}

#[test]
fn function_has_variables_for_its_grants_and_settings() {
    let template = template(&Environment::dev());
    for function in contract::PRODUCT.all_functions() {
        let id = format!("{}Function", capitalized(function.name));
        let variables = &template["Resources"][&id]["Properties"]["Environment"]["Variables"];
        for setting in function.settings {
            assert!(variables.get(setting.variable).is_some(), "{id}");
        }
        assert_eq!(variables["LOG_LEVEL"], "debug", "{id}");
    }
    let pipeline = &template["Resources"]["PipelineFunction"]["Properties"]["Environment"];
    let variables = &pipeline["Variables"];
    assert_eq!(variables["JOBS_TABLE"], json!({ "Ref": "JobsTable" }));
    assert_eq!(variables["JOBS_QUEUE_URL"], json!({ "Ref": "JobsQueue" }));
    assert_eq!(
        variables["OBJECTS_BUCKET"],
        json!({ "Ref": "ObjectsBucket" })
    );
    assert_eq!(
        variables["WEBSOCKET_API_ID"],
        json!({ "Ref": "WebSocketApi" })
    );
    assert_eq!(variables["WEBSOCKET_STAGE"], "live");
}

#[test]
fn templates_contain_no_region_account_or_partition() {
    for environment in infra_gen::project().environments() {
        let name = environment.name;
        let text = template(&environment).to_string();
        assert!(!text.contains("arn:aws"), "{name}");
        for region in ["us-east-", "us-west-", "eu-west-", "eu-central-"] {
            assert!(!text.contains(region), "{name}: {region}");
        }
        let longest = text
            .split(|character: char| !character.is_ascii_digit())
            .map(str::len)
            .max();
        assert!(longest < Some(12), "{name}: an account has twelve digits");
    }
}

#[test]
fn data_is_deleted_with_dev_and_retained_with_prod() {
    for (environment, removal, protected) in [
        (Environment::dev(), "Delete", false),
        (Environment::prod(), "Retain", true),
    ] {
        let template = template(&environment);
        let tables = resources(&template, "AWS::DynamoDB::Table");
        assert_eq!(tables.len(), contract::PRODUCT.all_tables().len());
        for kind in ["AWS::DynamoDB::Table", "AWS::SQS::Queue", "AWS::S3::Bucket"] {
            for (id, resource) in resources(&template, kind) {
                assert_eq!(resource["DeletionPolicy"], removal, "{id}");
                assert_eq!(resource["UpdateReplacePolicy"], removal, "{id}");
            }
        }
        for (id, table) in tables {
            let properties = &table["Properties"];
            assert_eq!(properties["DeletionProtectionEnabled"], protected, "{id}");
            let recovery = &properties["PointInTimeRecoverySpecification"];
            assert_eq!(recovery["PointInTimeRecoveryEnabled"], protected, "{id}");
        }
    }
}

#[test]
fn everything_that_takes_tags_has_them() {
    const UNTAGGED: [&str; 7] = [
        "AWS::ApiGatewayV2::Authorizer",
        "AWS::ApiGatewayV2::ApiMapping",
        "AWS::ApiGatewayV2::Integration",
        "AWS::ApiGatewayV2::Route",
        "AWS::Lambda::Permission",
        "AWS::S3::BucketPolicy",
        "AWS::Serverless::Function",
    ];
    let template = template(&Environment::prod());
    for (id, resource) in template["Resources"].as_object().expect("resources") {
        let kind = resource["Type"].as_str().expect("a type");
        if !UNTAGGED.contains(&kind) {
            assert!(resource["Properties"].get("Tags").is_some(), "{id}");
        }
    }
}

#[test]
fn sam_builds_functions_and_cloudformation_has_locations() {
    let template =
        stack::synthesize(infra_gen::project(), &Environment::dev()).expect("a template");
    let sam = template.to_json(Format::Sam).expect("JSON");
    let plain = template.to_json(Format::CloudFormation).expect("JSON");
    for function in contract::PRODUCT.all_functions() {
        let id = format!("{}Function", capitalized(function.name));
        let built = &sam["Resources"][&id];
        assert_eq!(built["Type"], "AWS::Serverless::Function");
        assert_eq!(
            built["Metadata"],
            json!({
                "BuildMethod": "rust-cargolambda",
                "BuildProperties": { "Binary": function.name },
            })
        );
        let key = format!("{}CodeKey", capitalized(function.name));
        assert!(sam["Parameters"].get(&key).is_none());
        assert!(plain["Parameters"].get(&key).is_some());
        assert_eq!(
            plain["Resources"][&id]["Properties"]["Code"],
            json!({ "S3Bucket": { "Ref": "ArtifactBucket" }, "S3Key": { "Ref": key } })
        );
    }
}

#[test]
fn template_has_the_outputs_that_clients_need() {
    let template = template(&Environment::dev());
    let outputs = &template["Outputs"];
    for name in [
        "WebSocketUrl",
        "WebSocketApiId",
        "HttpApiUrl",
        "HttpApiId",
        "StageName",
        "WebsocketConnectionsTableName",
        "JobSubscribersTableName",
        "JobsTableName",
        "JobEventsTableName",
        "JobsQueueName",
        "DeliveriesQueueName",
        "ObjectsBucketName",
    ] {
        assert!(outputs.get(name).is_some(), "{name}");
    }
    assert_eq!(
        outputs["WebSocketUrl"]["Value"],
        json!({
            "Fn::Sub": "wss://${WebSocketApi}.execute-api.${AWS::Region}.${AWS::URLSuffix}/live"
        })
    );
}

#[test]
fn custom_domain_is_in_every_address_without_the_stage() {
    let mut environment = Environment::dev();
    environment.websocket_domain = Some(CustomDomain {
        name: DomainName::new("live.example.com").expect("a name"),
        certificate: CertificateId::new("12345678-90ab-cdef-1234-567890abcdef").expect("an id"),
    });
    let template = template(&environment);
    let url = &template["Outputs"]["WebSocketUrl"]["Value"];
    assert_eq!(url, "wss://live.example.com");
    for function in ["JobsFunction", "WorkerFunction"] {
        let variables = &template["Resources"][function]["Properties"]["Environment"]["Variables"];
        assert_eq!(
            variables["WEBSOCKET_URL"], "wss://live.example.com",
            "{function}"
        );
    }
    let pipeline =
        &template["Resources"]["PipelineFunction"]["Properties"]["Environment"]["Variables"];
    assert_eq!(pipeline["WEBSOCKET_ENDPOINT"], "https://live.example.com");
    assert_eq!(
        resources(&template, "AWS::ApiGatewayV2::ApiMapping").len(),
        1
    );
}

#[test]
fn authorizers_are_on_connect_and_on_creating_a_job_only() {
    let mut environment = Environment::dev();
    environment.connect_authorizer = Some(
        ConnectAuthorizer::new("authorizer", &["route.request.querystring.token"])
            .expect("an authorizer"),
    );
    environment.job_authorizer = Some(
        JwtAuthorizer::new("https://login.example.com", &["stagecast"]).expect("an authorizer"),
    );
    let template = template(&environment);
    let authorized: Vec<_> = resources(&template, "AWS::ApiGatewayV2::Route")
        .into_iter()
        .map(|(_, route)| &route["Properties"])
        .filter(|route| route["AuthorizationType"] != "NONE")
        .map(|route| {
            (
                route["RouteKey"].clone(),
                route["AuthorizationType"].clone(),
            )
        })
        .collect();
    assert_eq!(
        authorized,
        [
            (json!("$connect"), json!("CUSTOM")),
            (json!("POST /v1/jobs"), json!("JWT")),
        ]
    );
}

#[test]
fn origins_reach_cors_and_the_function_that_checks_them() {
    let mut environment = Environment::dev();
    let origin = "https://app.example.com";
    environment.allowed_origins = vec![Origin::new(origin).expect("an origin")];
    let template = template(&environment);
    let cors = &template["Resources"]["HttpApi"]["Properties"]["CorsConfiguration"];
    assert_eq!(cors["AllowOrigins"], json!([origin]));
    let function = &template["Resources"]["WebsocketFunction"]["Properties"];
    let variables = &function["Environment"]["Variables"];
    assert_eq!(variables["ALLOWED_ORIGINS"], origin);
    // A browser that the HTTP API redirects to the bucket sends `null` for the page's origin.
    for (id, bucket) in resources(&template, "AWS::S3::Bucket") {
        let rules = &bucket["Properties"]["CorsConfiguration"]["CorsRules"];
        assert_eq!(rules[0]["AllowedOrigins"], json!([origin, "null"]), "{id}");
    }
}

#[test]
fn origin_of_the_hosted_page_reaches_all_that_check_origins() {
    let page = json!({ "Fn::Sub": "https://${PageDistribution.DomainName}" });
    let other = "https://app.example.com";
    for (allowed, origins, variable) in [
        (
            vec![],
            json!([page]),
            "https://${PageDistribution.DomainName}",
        ),
        (
            vec![Origin::new(other).expect("an origin")],
            json!([other, page]),
            "https://app.example.com,https://${PageDistribution.DomainName}",
        ),
    ] {
        let environment = Environment {
            page: true,
            allowed_origins: allowed,
            ..Environment::dev()
        };
        let template = template(&environment);
        let properties = |id: &str| &template["Resources"][id]["Properties"];
        let cors = &properties("HttpApi")["CorsConfiguration"];
        assert_eq!(cors["AllowOrigins"], origins);
        let variables = &properties("WebsocketFunction")["Environment"]["Variables"];
        assert_eq!(variables["ALLOWED_ORIGINS"], json!({ "Fn::Sub": variable }));
        let rules = &properties("ObjectsBucket")["CorsConfiguration"]["CorsRules"];
        let with_null = [origins.as_array().expect("a list"), &[json!("null")][..]].concat();
        assert_eq!(rules[0]["AllowedOrigins"], json!(with_null));
        assert_eq!(template["Outputs"]["PageUrl"]["Value"], page);
    }
}

#[test]
fn page_is_not_hosted_unless_an_option_or_the_environment_says_so() {
    for environment in infra_gen::project().environments() {
        let template = template(&environment);
        assert_eq!(
            resources(&template, "AWS::CloudFront::Distribution").len(),
            0
        );
        let page = Environment {
            page: true,
            ..environment
        };
        let template = self::template(&page);
        let bucket = &template["Resources"]["PageBucket"];
        assert_eq!(bucket["DeletionPolicy"], "Delete", "{}", page.name);
    }
}

#[test]
fn anonymous_routes_have_limits_and_the_stage_follows_them() {
    for environment in infra_gen::project().environments() {
        let name = environment.name;
        let template = template(&environment);
        for (stage, route, key, throttling) in [
            (
                "HttpApiStage",
                "HttpApiCreateJobRoute",
                "POST /v1/jobs",
                environment.job_creation_throttling,
            ),
            (
                "WebSocketApiStage",
                "WebSocketApiDollarConnectRoute",
                "$connect",
                environment.connection_throttling,
            ),
        ] {
            let stage = &template["Resources"][stage];
            assert_eq!(stage["DependsOn"], json!([route]), "{name}");
            let properties = &stage["Properties"];
            let limited = properties["RouteSettings"].as_object().expect("settings");
            assert_eq!(limited.keys().collect::<Vec<_>>(), [key], "{name}");
            let settings = limited[key].as_object().expect("settings");
            let rate = throttling.requests_per_second;
            assert_eq!(settings["ThrottlingRateLimit"], rate, "{name} {key}");
            assert_eq!(settings["ThrottlingBurstLimit"], throttling.burst);
            // Route settings replace the default ones, so they repeat all other settings.
            for (setting, value) in properties["DefaultRouteSettings"]
                .as_object()
                .expect("them")
            {
                if !setting.starts_with("Throttling") {
                    assert_eq!(settings.get(setting), Some(value), "{name} {key} {setting}");
                }
            }
        }
    }
}

#[test]
fn reserved_concurrency_limits_its_function_and_queue() {
    let mut environment = Environment::dev();
    environment.reserved_concurrency =
        |function| (function == PipelineFunction::SPEC).then_some(20);
    let template = template(&environment);
    for (id, function) in resources(&template, "AWS::Lambda::Function") {
        let reserved = function["Properties"].get("ReservedConcurrentExecutions");
        let expected = (id == "PipelineFunction").then_some(json!(20));
        assert_eq!(reserved, expected.as_ref(), "{id}");
    }
    // A queue invokes its consumer at most as often as concurrency is reserved.
    for (id, mapping) in resources(&template, "AWS::Lambda::EventSourceMapping") {
        let expected = if id == "JobsPipelineEventSource" {
            20
        } else {
            10
        };
        let scaling = &mapping["Properties"]["ScalingConfig"];
        assert_eq!(*scaling, json!({ "MaximumConcurrency": expected }), "{id}");
    }
}

#[test]
fn alarms_go_to_the_topic_of_the_environment() {
    let topic = "arn:aws:sns:eu-west-1:123456789012:oncall";
    let mut environment = Environment::prod();
    environment.alarm_topic = Some(TopicArn::new(topic).expect("an ARN"));
    let template = template(&environment);
    assert_eq!(template["Parameters"]["AlarmTopicArn"]["Default"], topic);
    let alarms = resources(&template, "AWS::CloudWatch::Alarm");
    assert_eq!(
        alarms.len(),
        3 * contract::PRODUCT.all_functions().len() + 3 * 2 + 5 + 2 + 1,
        "three for each function, two for each queue, one for each table and each API, and one for \
         deliveries that were given up"
    );
    for (id, alarm) in alarms {
        assert_eq!(
            alarm["Properties"]["AlarmActions"],
            json!([{
                "Fn::If": [
                    "HasAlarmTopic",
                    { "Ref": "AlarmTopicArn" },
                    { "Ref": "AWS::NoValue" },
                ]
            }]),
            "{id}"
        );
    }
}

#[test]
fn dashboard_is_json_after_substitution() {
    let template = template(&Environment::prod());
    let body = template["Resources"]["Dashboard"]["Properties"]["DashboardBody"]["Fn::Sub"]
        .as_str()
        .expect("a Sub");
    let body: Value = serde_json::from_str(body).expect("JSON");
    let widgets = body["widgets"].as_array().expect("widgets");
    assert!(widgets.len() > 10);
    for widget in widgets {
        assert_eq!(widget["properties"]["region"], "${AWS::Region}");
    }
}
