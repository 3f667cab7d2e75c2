//! What the routes of collections take and give, as JSON and in the query.

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::message::{CollectionName, PersonName};

/// The caller's collections.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct CollectionList {
    /// Their names, sorted.
    #[schema(value_type = Vec<String>)]
    pub(super) collections: Vec<CollectionName>,
}

/// A collection.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct NamedCollection {
    /// 1 to 100 of `a-z`, `0-9`, `_`, `-` and `.`, a letter or digit first.
    #[schema(value_type = String)]
    pub(super) name: CollectionName,
}

/// Someone in a collection.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct Person {
    /// As it was given, `first_last`.
    #[schema(value_type = String)]
    pub(super) person: PersonName,
    /// How many pictures of this person there are.
    pub(super) vectors: usize,
}

/// Who is in a collection.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct People {
    /// By name.
    pub(super) people: Vec<Person>,
}

/// The query of what takes a picture.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(in crate::http) struct FaceParams {
    /// Whose face it is, `first_last`; for adding only.
    pub(super) person: Option<String>,
    /// `true` says that the caller and the people on the caller's pictures agree to faces being kept and compared. Once is enough.
    #[serde(default)]
    pub(super) consent: bool,
}

/// A JSON body in a picture's place.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(in crate::http) struct FaceBody {
    /// The picture's `http` or `https` URL.
    pub(super) image_uri: String,
    /// Whose face it is, `first_last`; for adding only.
    pub(super) person: Option<String>,
    /// As in the query.
    #[serde(default)]
    pub(super) consent: bool,
}

/// What was added.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::http) struct AddedFace {
    /// Whose face it is.
    #[schema(value_type = String)]
    pub(super) person: PersonName,
    /// Other faces on the picture, of which nothing was kept.
    pub(super) other_faces: usize,
}

/// What was forgotten.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct Forgotten {
    /// How many vectors were deleted for good.
    pub(super) vectors: usize,
}

/// Whose face it is.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::http) struct Matched {
    /// `null` for a face that is not in the collection.
    pub(super) r#match: Option<MatchedPerson>,
}

/// A person of the collection.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::http) struct MatchedPerson {
    /// `first_last`.
    #[schema(value_type = String)]
    pub(super) person: PersonName,
    /// As people write it.
    pub(super) name: String,
    /// How alike the faces are, 0 to 100.
    pub(super) similarity: f32,
    /// How sure it is that what was added is a face, 0 to 100.
    pub(super) confidence: f32,
    /// Whether this is a public person of that name, recognised on the picture. Otherwise what an encyclopaedia says under the
    /// name may be about somebody else.
    pub(super) celebrity: bool,
    /// Pages about the public person.
    pub(super) links: Vec<String>,
    /// What Wikipedia says under the name; absent where it says nothing or nobody was asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) entry: Option<EntryUnderName>,
}

/// An entry of an encyclopaedia.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct EntryUnderName {
    /// Its title.
    pub(super) title: String,
    /// A few words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) description: Option<String>,
    /// How it begins.
    pub(super) summary: String,
    /// Where it can be read.
    pub(super) source: String,
}
