//! What a tool answered, as results with where they are from.
//!
//! A tool may say that in several ways, and the first that is there is taken: structured content with a list of objects, a
//! text that is such a list in JSON, resources and links to them, or a text, which then is a result by itself.

use rmcp::model::{CallToolResult, ContentBlock, ResourceContents};
use serde_json::Value;
use windlass_domain::digest::Digest;
use windlass_domain::tool_call::{ToolAnswer, ToolItem};

/// Most results of one call that are looked at: more than a search shows on its first page.
const MAX_ITEMS: usize = 50;
/// Longest text of a result that is kept, in bytes; the rest is cut off.
const MAX_ITEM_BYTES: usize = 256 * 1024;
/// Longest title and complaint, in characters.
const MAX_WORDS: usize = 200;
/// Longest address, in bytes.
const MAX_URL_BYTES: usize = 2048;

/// Names under which lists of results are found.
const LISTS: [&str; 4] = ["results", "items", "documents", "data"];
/// Names of a result's parts, the most telling first.
const URLS: [&str; 4] = ["url", "link", "uri", "href"];
const TITLES: [&str; 2] = ["title", "name"];
const TEXTS: [&str; 6] = ["text", "content", "snippet", "description", "summary", "body"];
const DATES: [&str; 4] = ["published_at", "published", "date", "updated_at"];

/// The results of an answer.
pub(crate) fn of(result: &CallToolResult, keep_text: bool) -> ToolAnswer {
    let structured = result.structured_content.as_ref().and_then(listed);
    let all: Vec<Found> = structured.unwrap_or_else(|| result.content.iter().flat_map(in_block).collect());
    let dropped = all.len().saturating_sub(MAX_ITEMS) as u64;
    let items = all.into_iter().take(MAX_ITEMS).map(|found| found.into_item(keep_text)).collect();
    ToolAnswer::Answered { items, dropped }
}

/// What an answer says in words.
pub(crate) fn words_of(result: &CallToolResult) -> String {
    let texts: Vec<&str> = result
        .content
        .iter()
        .filter_map(|block| match block {
            ContentBlock::Text(text) => Some(text.text.as_str()),
            _ => None,
        })
        .collect();
    texts.join(" ")
}

/// At most so much of a text as a report shows, on one line.
pub(crate) fn shortened(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(MAX_WORDS).collect()
}

#[derive(Default)]
struct Found {
    url: Option<String>,
    title: Option<String>,
    published_at: Option<String>,
    text: String,
}

impl Found {
    fn into_item(self, keep_text: bool) -> ToolItem {
        let mut text = self.text;
        if text.len() > MAX_ITEM_BYTES {
            let mut end = MAX_ITEM_BYTES;
            while !text.is_char_boundary(end) {
                end -= 1;
            }
            text.truncate(end);
        }
        ToolItem {
            url: self.url.filter(|url| url.len() <= MAX_URL_BYTES),
            title: self.title.map(|title| shortened(&title)).filter(|title| !title.is_empty()),
            published_at: self.published_at.and_then(|at| at.parse().ok()),
            digest: Digest::of(text.as_bytes()),
            bytes: text.len() as u64,
            text: keep_text.then_some(text),
        }
    }
}

fn in_block(block: &ContentBlock) -> Vec<Found> {
    match block {
        ContentBlock::Text(text) => {
            let value = serde_json::from_str::<Value>(&text.text).ok();
            value
                .as_ref()
                .and_then(listed)
                .unwrap_or_else(|| vec![Found { text: text.text.clone(), ..Found::default() }])
        }
        ContentBlock::Resource(embedded) => match &embedded.resource {
            ResourceContents::TextResourceContents { uri, text, .. } => {
                vec![Found { url: Some(uri.clone()), text: text.clone(), ..Found::default() }]
            }
            // Bytes, and what a newer protocol may add.
            _ => Vec::new(),
        },
        ContentBlock::ResourceLink(link) => vec![Found {
            url: Some(link.uri.clone()),
            title: Some(link.title.clone().unwrap_or_else(|| link.name.clone())),
            text: link.description.clone().unwrap_or_default(),
            ..Found::default()
        }],
        // Pictures, sounds, and what a newer protocol may add.
        _ => Vec::new(),
    }
}

/// The results in a list of objects, or in an object that holds one. None where a member is no result: then the whole is a
/// text like any other.
fn listed(value: &Value) -> Option<Vec<Found>> {
    let list = match value {
        Value::Array(list) => list,
        Value::Object(object) => LISTS.iter().find_map(|name| object.get(*name)?.as_array())?,
        _ => return None,
    };
    list.iter().map(result).collect()
}

fn result(value: &Value) -> Option<Found> {
    let object = value.as_object()?;
    let part = |names: &[&str]| names.iter().find_map(|name| Some(object.get(*name)?.as_str()?.to_owned()));
    let (url, title, text) = (part(&URLS), part(&TITLES), part(&TEXTS));
    (url.is_some() || text.is_some()).then(|| Found {
        url,
        title,
        published_at: part(&DATES),
        text: text.unwrap_or_default(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn items(result: Value, keep_text: bool) -> Vec<ToolItem> {
        let result: CallToolResult = serde_json::from_value(result).unwrap();
        match of(&result, keep_text) {
            ToolAnswer::Answered { items, .. } => items,
            ToolAnswer::Failed { reason } => panic!("{reason}"),
        }
    }

    fn shown(items: &[ToolItem]) -> Vec<(Option<&str>, Option<&str>, Option<&str>)> {
        items.iter().map(|item| (item.url.as_deref(), item.title.as_deref(), item.text.as_deref())).collect()
    }

    #[test]
    fn results_are_found_however_a_tool_says_them() {
        let list = json!([{"link": "https://a/", "title": "A", "snippet": "an anchor"}]);
        let expected = [(Some("https://a/"), Some("A"), Some("an anchor"))];
        for result in [
            json!({"content": [], "structuredContent": {"results": list}}),
            json!({"content": [], "structuredContent": list}),
            json!({"content": [{"type": "text", "text": json!({"items": list}).to_string()}]}),
            json!({"content": [{"type": "text", "text": list.to_string()}]}),
            json!({"content": [{"type": "resource_link", "uri": "https://a/", "name": "A", "description": "an anchor"}]}),
        ] {
            assert_eq!(shown(&items(result.clone(), true)), expected, "{result}");
        }
        let embedded =
            json!({"content": [{"type": "resource", "resource": {"uri": "https://b/", "text": "a winch"}}]});
        assert_eq!(shown(&items(embedded, true)), [(Some("https://b/"), None, Some("a winch"))]);
        for text in ["just words", "[1, 2]", "{\"results\": [{\"score\": 1}]}"] {
            let result = json!({"content": [{"type": "text", "text": text}, {"type": "image", "data": "", "mimeType": "image/png"}]});
            assert_eq!(shown(&items(result, true)), [(None, None, Some(text))]);
        }
    }

    #[test]
    fn without_leave_to_keep_a_text_only_its_digest_is_given() {
        let result = json!({"content": [{"type": "text", "text": "secret words"}]});
        let items = items(result, false);
        assert_eq!((items[0].text.as_deref(), items[0].bytes), (None, 12));
        assert_eq!(items[0].digest, Digest::of(b"secret words"));
    }

    #[test]
    fn an_answer_of_any_size_gives_a_bounded_number_of_bounded_results() {
        let text = "ä".repeat(MAX_ITEM_BYTES);
        let block = json!({"type": "text", "text": text});
        let result = json!({"content": vec![block; MAX_ITEMS + 2]});
        let result: CallToolResult = serde_json::from_value(result).unwrap();
        let ToolAnswer::Answered { items, dropped } = of(&result, true) else { panic!("it answered") };
        assert_eq!((items.len(), dropped), (MAX_ITEMS, 2));
        assert!(items.iter().all(|item| item.bytes <= MAX_ITEM_BYTES as u64));
    }
}
