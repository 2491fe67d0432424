//! Rules in files: a text, or an object where there is more to say.

use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::value::MapAccessDeserializer;
use serde::de::{Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::HostRule;

/// The object form. Unknown and doubled keys are refused.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Object {
    host: String,
    #[serde(default)]
    private: bool,
}

impl Object {
    pub(super) fn into_rule(self) -> Result<HostRule, super::HostRuleError> {
        Ok(super::parse::rule(&self.host)?.private(self.private))
    }
}

impl Serialize for HostRule {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.private {
            Object { host: self.as_str().to_owned(), private: true }.serialize(serializer)
        } else {
            serializer.serialize_str(self.as_str())
        }
    }
}

impl<'de> Deserialize<'de> for HostRule {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Forms)
    }
}

struct Forms;

impl<'de> Visitor<'de> for Forms {
    type Value = HostRule;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a host rule: a text, or an object with \"host\" and \"private\"")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<HostRule, E> {
        super::parse::rule(text).map_err(E::custom)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<HostRule, A::Error> {
        let object = Object::deserialize(MapAccessDeserializer::new(map))?;
        object.into_rule().map_err(A::Error::custom)
    }
}

impl JsonSchema for HostRule {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "HostRule".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let text = "host, host:port, host:*, host:port/udp, *.domain, an address, a CIDR block or \
                    [v6]:port.";
        json_schema!({
            "description": "What may be reached: a text, or an object where there is more to say.",
            "oneOf": [
                { "type": "string", "description": text },
                {
                    "type": "object",
                    "properties": {
                        "host": { "type": "string", "description": text },
                        "private": {
                            "type": "boolean",
                            "default": false,
                            "description": "Whether the host may be at a private or otherwise special address.",
                        },
                    },
                    "required": ["host"],
                    "additionalProperties": false,
                },
            ],
        })
    }
}
