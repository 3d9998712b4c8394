//! The JSON Schemas of the messages in queues.

use schemars::{JsonSchema, generate::SchemaSettings};
use serde_json::{Map, Value, json};
use stagecast_contract::queues::{DeliveryQueue, JobQueue, WebhookQueue};
use typed_contract::queues::Queue;

use super::DocumentError;

/// Writes a JSON Schema with the messages of each queue of the job system, by the name of the queue. It is for `infra-gen check
/// --against`: no program reads it at run time.
pub fn queues(notice: &str) -> Result<String, DocumentError> {
    let mut generator = SchemaSettings::draft2020_12()
        .for_serialize()
        .into_generator();
    let mut queues = Map::new();
    for (name, schema) in [
        message::<JobQueue>(&mut generator),
        message::<DeliveryQueue>(&mut generator),
        message::<WebhookQueue>(&mut generator),
    ] {
        queues.insert(name.to_owned(), schema);
    }
    let document = json!({
        "$comment": notice,
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Messages in the queues, by the name of the queue",
        "type": "object",
        "properties": queues,
        "$defs": generator.take_definitions(true),
    });
    Ok(format!("{}\n", serde_json::to_string_pretty(&document)?))
}

fn message<Q: Queue<Message: JsonSchema>>(
    generator: &mut schemars::SchemaGenerator,
) -> (&'static str, Value) {
    let schema = generator.subschema_for::<Q::Message>();
    (Q::SPEC.name, schema.to_value())
}

#[cfg(test)]
mod tests {
    use stagecast_contract::queues::ALL;

    use super::*;

    #[test]
    fn every_queue_has_the_schema_of_its_messages() {
        let document: Value =
            serde_json::from_str(&queues("generated").expect("a document")).expect("JSON");
        let documented: Vec<_> = document["properties"]
            .as_object()
            .expect("queues")
            .keys()
            .collect();
        let declared: Vec<_> = ALL.iter().map(|queue| queue.name).collect();
        assert_eq!(documented, declared);
    }
}
