"""The mistakes, and who catches each of them in Stagecast.

The text on Stagecast is Markdown. Its links have one of these forms, and run.py fails if their target does not exist:

- `case:FOLDER/NAME`: code that must not compile, in tests/compile-time/cases
- `code:PATH`: the code that catches the mistake
- `test:PATH::FUNCTION`: a test
"""

from dataclasses import dataclass
from enum import Enum


class When(Enum):
    """When Stagecast catches a mistake."""

    BUILD = "before a test: compiler, clippy, `infra-gen`, or the mistake cannot be written"
    TEST = "at the first test that runs the code"
    NEVER = "not at all"


BUILD, TEST, NEVER = When.BUILD, When.TEST, When.NEVER


@dataclass(frozen=True)
class Mistake:
    name: str
    title: str
    when: When
    stagecast: str


CHECKS = "code:crates/typed-contract/src/functions/checks.rs"
FIRST_TEST = "nothing before a test; DynamoDB in the test's process refuses it"


def compiled(name, title, case):
    return Mistake(name, title, BUILD, f"[compiler](case:{case})")


# Mistakes in what is deployed: cdk/app.ts and sam/templates.py have each of them.
DECLARATIONS = [
    compiled("memory_too_small", "100 MiB of memory for a function", "10-bounds/less_memory_than_lambda_has"),
    compiled("memory_too_large", "20,000 MiB of memory for a function", "10-bounds/more_memory_than_lambda_has"),
    compiled("timeout_too_long", "a function's timeout over 15 minutes", "10-bounds/a_timeout_that_lambda_does_not_have"),
    compiled("storage_too_large", "20 GiB of ephemeral storage", "7-times/an_ephemeral_storage_that_lambda_does_not_have"),
    compiled(
        "timeout_over_api_gateway",
        "a function that serves HTTP and may run for longer than API Gateway waits",
        "7-times/a_function_that_serves_routes_for_longer_than_api_gateway_waits",
    ),
    compiled(
        "visibility_too_long",
        "a visibility timeout over 12 hours",
        "10-bounds/a_visibility_timeout_that_sqs_does_not_have",
    ),
    compiled(
        "visibility_under_timeout",
        "a visibility timeout below that of the consumer",
        "7-times/a_queue_that_hides_messages_for_less_than_the_timeout_of_its_consumer",
    ),
    compiled(
        "batch_without_window",
        "a batch of 100 messages without a batching window",
        "10-bounds/a_batch_that_needs_a_batching_window",
    ),
    Mistake(
        "receives_out_of_bounds",
        "2,000 receives before the dead-letter queue",
        BUILD,
        "[compiler](code:crates/typed-contract/src/queues.rs)",
    ),
    Mistake(
        "log_retention",
        "logs for 10 days, which CloudWatch does not have",
        BUILD,
        "compiler: an [enum](code:crates/cloudformation/src/resources/logs.rs)",
    ),
    Mistake(
        "no_item_failures",
        "an event source without `ReportBatchItemFailures`",
        BUILD,
        "cannot be written: the [construct](code:crates/constructs/src/event_source.rs) sets it",
    ),
    compiled("path_unbalanced", "a path with an unbalanced brace", "10-bounds/a_path_with_an_unbalanced_brace"),
    compiled(
        "route_twice",
        "two routes with the same method and path",
        "6-names/two_http_routes_with_the_same_method_and_path",
    ),
    compiled(
        "route_parameter_name",
        "two routes that differ in the name of a parameter only",
        "10-bounds/two_http_routes_that_differ_in_the_name_of_a_parameter",
    ),
    compiled("message_route_twice", "two WebSocket routes with the same key", "6-names/two_routes_with_the_same_key"),
    compiled(
        "message_authorizer",
        "an authorizer on another WebSocket route than `$connect`",
        "5-authorizers/an_authorizer_on_a_message_route",
    ),
    compiled("stage_default", "a stage `$default` of a WebSocket API", "6-names/a_stage_named_default"),
    Mistake(
        "queue_name_characters",
        "a space in a queue's name",
        BUILD,
        "[compiler](code:crates/typed-contract/src/queues.rs)",
    ),
    Mistake(
        "queue_name_length",
        "a queue's name of 81 characters",
        BUILD,
        "[compiler](code:crates/stagecast-contract/src/product.rs)",
    ),
    Mistake(
        "table_name_twice",
        "two tables with the same name",
        BUILD,
        "[compiler](code:crates/stagecast-contract/src/product.rs); for further resources [`check`]"
        "(code:crates/stagecast-infra/src/check/names.rs)",
    ),
    Mistake(
        "dangling_reference",
        "a reference to a resource that the stack does not have",
        BUILD,
        "compiler, through the [declarations](code:crates/typed-contract/src/functions/checks.rs); for further resources "
        "[`check`](code:crates/stagecast-infra/src/check/references.rs)",
    ),
    compiled(
        "route_without_function",
        "a route that is not connected to a function",
        "1-routes/routes_that_the_product_does_not_list",
    ),
    compiled(
        "grant_missing",
        "the handler puts items; its function may only read",
        "2-grants/an_operation_that_is_not_granted",
    ),
    compiled(
        "grant_of_other_kind",
        "a grant of `sqs:SendMessage` on a table",
        "2-grants/a_grant_that_its_resource_does_not_know",
    ),
    compiled(
        "index_not_granted",
        "a query on an index; the policy names the table only",
        "2-grants/a_query_on_an_index_that_is_not_granted",
    ),
    compiled("action_wildcard", "an IAM action with a wildcard", "2-grants/an_action_with_a_wildcard"),
    Mistake(
        "action_misspelt",
        "a misspelt IAM action",
        BUILD,
        "compiler: operations are [types](code:crates/typed-contract/src/grants.rs); of other services: cfn-lint, in `check`",
    ),
    compiled("action_other_service", "an IAM action on the ARN of another service", "2-grants/an_action_of_another_service"),
    compiled("resource_everything", "a permission on all resources", "2-grants/an_arn_of_every_resource"),
    Mistake(
        "grant_unused",
        "a permission that no code uses",
        TEST,
        "a [scenario](test:tests/tests/scenarios/grants.rs::every_grant_is_used_and_every_call_is_granted), for the job "
        "system; for a product's own functions nothing",
    ),
    Mistake(
        "secret_in_environment",
        "the value of a secret in an environment variable",
        NEVER,
        "**nothing** for one that is written as a setting; [`secret!`](code:crates/typed-contract/src/secrets.rs) passes the name only",
    ),
    compiled("ttl_declared_text", "a time to live that is declared as a text", "8-items/a_time_to_live_that_is_no_number"),
    compiled("attribute_two_types", "a key attribute with two types", "8-items/an_attribute_of_two_types"),
    Mistake(
        "data_without_policy",
        "a queue without a removal policy, whose messages go with the stack",
        BUILD,
        "[`check`](code:crates/stagecast-infra/src/check/protection.rs)",
    ),
    Mistake(
        "variables_too_large",
        "over 4 KB of environment variables",
        BUILD,
        "[`check`](test:crates/stagecast-infra/src/check/limits.rs::too_many_origins_for_the_environment_are_a_problem)",
    ),
    Mistake(
        "code_missing",
        "a function without its executable or code",
        BUILD,
        "[`check`](test:crates/stagecast-infra/src/cargo_workspace.rs::"
        "function_without_an_executable_is_reported_with_the_file_to_add)",
    ),
    Mistake(
        "handler_missing",
        "a handler's name that the code does not have",
        BUILD,
        "[`check`](code:crates/stagecast-infra/src/check/executables.rs): a function starts the executable of its name",
    ),
]

# Mistakes in handlers: cdk/handlers.ts and sam/handlers.py have each of them.
HANDLERS = [
    compiled("route_unhandled", "a declared route that the handler does not handle", "1-routes/a_route_without_a_handler"),
    compiled("route_unknown", "a case for a route that does not exist", "1-routes/a_handler_of_a_route_that_does_not_exist"),
    compiled(
        "variable_not_given",
        "an environment variable that the function is not given",
        "4-environment/a_variable_that_the_function_is_not_given",
    ),
    Mistake(
        "variable_read_directly",
        "an environment variable that is read past the declaration",
        BUILD,
        "[clippy](code:handlers/clippy.toml)",
    ),
    Mistake(
        "client_without_grants",
        "a raw client of the AWS SDK, whose calls nothing compares with the grants",
        BUILD,
        "[clippy](code:handlers/clippy.toml)",
    ),
    compiled("key_without_sort", "a key without its sort attribute", "3-keys/a_key_without_its_sort_attribute"),
    compiled(
        "key_unknown_attribute",
        "a key with an attribute that the table does not have",
        "3-keys/a_key_attribute_that_the_table_does_not_have",
    ),
    Mistake(
        "key_number_as_text",
        "a number of a key, written as a text",
        BUILD,
        "compiler: the key's field is a [`u64`](code:crates/typed-contract/src/tables.rs). In the attributes of a put: first test",
    ),
    Mistake("number_as_text", "another number, written as a text", NEVER, "**nothing**; DynamoDB accepts it"),
    Mistake("ttl_as_text", "a time to live, written as a text", NEVER, "**nothing**; DynamoDB accepts it and deletes no item"),
    Mistake(
        "item_of_other_table",
        "an item that is put into another table",
        TEST,
        "compiler, for the [table](case:8-items/an_item_that_does_not_say_its_table) of a record; for its attributes: nothing "
        "before a test; DynamoDB in the test's process refuses it if a key is missing",
    ),
    compiled(
        "index_of_other_table",
        "a query on an index that the table does not have",
        "3-keys/a_query_on_an_index_of_another_table",
    ),
    Mistake("query_not_key", "a query on an attribute that is no key", TEST, FIRST_TEST),
    Mistake("expression_syntax", "a syntax error in an update expression", TEST, FIRST_TEST),
    Mistake(
        "expression_attribute",
        "a misspelt attribute in an update expression",
        NEVER,
        "**nothing**; DynamoDB accepts it, so only an assertion on the item's content fails",
    ),
    Mistake("reserved_word", "a reserved word without a placeholder", TEST, FIRST_TEST),
    Mistake("placeholder_undefined", "a placeholder without a value", TEST, FIRST_TEST),
    Mistake("placeholder_unused", "a placeholder that no expression uses", TEST, FIRST_TEST),
    Mistake(
        "batch_throws",
        "a consumer that fails the whole batch for one message",
        BUILD,
        "cannot be written with [`queue::serve`](test:crates/stagecast/src/queue.rs::"
        "failed_and_invalid_messages_stay_on_the_queue)",
    ),
    Mistake(
        "batch_misspelt",
        "`batchItemFailures` misspelt in the answer of a consumer",
        BUILD,
        "cannot be written with [`queue::serve`](code:crates/stagecast/src/queue.rs)",
    ),
    Mistake(
        "batch_misspelt_id",
        "`itemIdentifier` misspelt in it",
        BUILD,
        "cannot be written with [`queue::serve`](code:crates/stagecast/src/queue.rs)",
    ),
    Mistake(
        "message_of_other_type",
        "a queue message with a misspelt field",
        BUILD,
        "compiler: [`send`](code:crates/granted-aws/src/queues.rs) takes the queue's message type",
    ),
    Mistake(
        "frame_too_large",
        "a message over 128 KB to a WebSocket",
        TEST,
        "of the job system: [compiler](code:crates/stagecast-contract/src/limits.rs), and a [test]"
        "(test:crates/stagecast-contract/src/messages/server.rs::largest_message_fits_into_a_frame); other: the [local stack]"
        "(test:crates/local-aws/tests/it/connections.rs::message_of_128_kb_is_the_largest) refuses it",
    ),
    Mistake(
        "status_undescribed",
        "an HTTP status that the OpenAPI document does not describe",
        NEVER,
        "**nothing**: the document describes other errors of own routes as `default`",
    ),
    Mistake(
        "secret_logged",
        "a secret in a log record",
        NEVER,
        "**nothing** for `expose()`; `Debug` of a secret [does not print it](test:crates/granted-aws/src/secret_value.rs::"
        "debug_does_not_print_the_value)",
    ),
    Mistake(
        "blocking_call",
        "a call that blocks an asynchronous handler",
        NEVER,
        "**nothing** in a product's handlers, except its [stages](test:tests/tests/scenarios/blocked_threads.rs::"
        "blocked_stage_still_reports_and_renews_its_lease), which have threads; in the job system "
        "[clippy](code:crates/stagecast-jobs/clippy.toml)",
    ),
    Mistake(
        "work_after_response",
        "work that outlives the response",
        BUILD,
        "[clippy](code:handlers/clippy.toml), which refuses `tokio::spawn`; a thread: nothing",
    ),
]

# Changes, which concern two versions. CDK and SAM describe no messages, so there is nothing to seed.
WIRE = "crates/stagecast-infra/src/check/wire.rs"
CHANGES = [
    Mistake(
        "enum_renamed",
        "a renamed value of an enumeration in messages or the HTTP API",
        BUILD,
        f"[`check --against`](test:{WIRE}::renamed_status_is_a_problem_in_messages_and_in_the_api)",
    ),
    Mistake(
        "field_removed",
        "a removed field",
        BUILD,
        f"[`check --against`](test:{WIRE}::changed_message_is_a_problem)",
    ),
    Mistake(
        "queue_message_changed",
        "a queue message that deployed functions cannot read",
        BUILD,
        f"[`check --against`](test:{WIRE}::queue_message_that_older_functions_cannot_read_is_a_problem)",
    ),
    compiled("message_unrouted", "a client message without a route", "9-messages/a_client_message_without_a_route"),
    Mistake(
        "template_outdated",
        "a template in version control that the code no longer describes",
        BUILD,
        "[`synth --check`](code:.ci/steps/generated)",
    ),
    Mistake("executable_without_function", "an executable or handler that no function runs", NEVER, "**nothing**"),
    Mistake(
        "attribute_renamed",
        "an attribute of stored items that the new code names differently",
        NEVER,
        "**nothing** compares the tables with an earlier version",
    ),
]
