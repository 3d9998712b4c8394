//! The JSON Schemas of the messages, derived from the contract's types.

use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};
use stagecast_contract::messages::{ClientMessage, ServerMessage};

use super::DocumentError;

/// The names of the two types with all messages.
const CLIENT: &str = "ClientMessage";
const SERVER: &str = "ServerMessage";

/// The schemas of all messages and of the types that they refer to, by name.
#[derive(Clone, Debug)]
pub struct MessageSchemas {
    definitions: Map<String, Value>,
}

/// One message of a direction.
#[derive(Clone, Copy, Debug)]
pub struct Variant<'a> {
    /// The `type` of the message.
    pub name: &'a str,
    /// The purpose of the message.
    pub description: &'a str,
    /// The schema of the message.
    pub schema: &'a Value,
}

impl MessageSchemas {
    /// Derives the schemas from the contract's types.
    pub fn of_contract() -> Result<Self, DocumentError> {
        let settings = SchemaSettings::draft2020_12().for_serialize();
        let mut generator = settings.into_generator();
        generator.subschema_for::<ClientMessage>();
        generator.subschema_for::<ServerMessage>();
        let mut schemas = Self {
            definitions: generator.take_definitions(true),
        };
        schemas.allow_request_ids()?;
        Ok(schemas)
    }

    /// Adds the optional `request_id` to every client message. The server parses it separately, so the
    /// messages' types do not have it.
    fn allow_request_ids(&mut self) -> Result<(), DocumentError> {
        let no_variants = |problem| DocumentError::NoVariants {
            name: CLIENT,
            problem,
        };
        let variants = self.definitions[CLIENT]["oneOf"]
            .as_array_mut()
            .ok_or(no_variants("it has no oneOf"))?;
        for variant in variants {
            variant["properties"]
                .as_object_mut()
                .ok_or(no_variants("a message has no properties"))?
                .insert(
                    "request_id".to_owned(),
                    json!({
                        "type": "string",
                        "description": "The client's id of the request; the reply repeats it.",
                    }),
                );
        }
        Ok(())
    }

    /// All schemas by name.
    pub fn definitions(&self) -> &Map<String, Value> {
        &self.definitions
    }

    /// The messages that clients send.
    pub fn client_messages(&self) -> Result<Vec<Variant<'_>>, DocumentError> {
        self.variants(CLIENT)
    }

    /// The messages that the server sends.
    pub fn server_messages(&self) -> Result<Vec<Variant<'_>>, DocumentError> {
        self.variants(SERVER)
    }

    fn variants(&self, name: &'static str) -> Result<Vec<Variant<'_>>, DocumentError> {
        let no_variants = |problem| DocumentError::NoVariants { name, problem };
        self.definitions[name]["oneOf"]
            .as_array()
            .ok_or(no_variants("it has no oneOf"))?
            .iter()
            .map(|schema| {
                Ok(Variant {
                    name: schema["properties"]["type"]["const"]
                        .as_str()
                        .ok_or(no_variants("the `type` of a message is not a constant"))?,
                    description: schema["description"]
                        .as_str()
                        .ok_or(no_variants("a message has no description"))?,
                    schema,
                })
            })
            .collect()
    }

    /// Writes a JSON Schema that accepts any message.
    pub fn document(&self, comment: &str) -> Result<String, DocumentError> {
        let document = json!({
            "$comment": comment,
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "title": "Messages of Stagecast's WebSocket API",
            "anyOf": [
                { "$ref": format!("#/$defs/{CLIENT}") },
                { "$ref": format!("#/$defs/{SERVER}") },
            ],
            "$defs": self.definitions,
        });
        Ok(format!("{}\n", serde_json::to_string_pretty(&document)?))
    }
}

#[cfg(test)]
mod tests {
    use stagecast_contract::messages::ClientMessageType;

    use super::*;

    #[test]
    fn every_client_message_has_a_schema_with_a_request_id() {
        let schemas = MessageSchemas::of_contract().expect("schemas");
        let messages = schemas.client_messages().expect("messages");
        let names: Vec<_> = messages.iter().map(|message| message.name).collect();
        let declared: Vec<_> = ClientMessageType::ALL
            .iter()
            .map(|kind| kind.name())
            .collect();
        assert_eq!(names, declared);
        for message in messages {
            let request_id = &message.schema["properties"]["request_id"];
            assert_eq!(request_id["type"], "string", "{}", message.name);
        }
    }

    #[test]
    fn every_reference_of_the_document_has_a_definition() {
        let schemas = MessageSchemas::of_contract().expect("schemas");
        let document = schemas.document("generated").expect("JSON");
        let mut references = 0;
        for rest in document.split("\"#/$defs/").skip(1) {
            let (name, _) = rest.split_once('"').expect("the end of a reference");
            assert!(schemas.definitions().contains_key(name), "{name}");
            references += 1;
        }
        assert!(references > 10);
    }
}
