//! The published schemas are those of the types. `WINDLASS_UPDATE=1 cargo test -p windlass-tests --test schemas` writes them anew.

use std::collections::BTreeSet;
use std::path::Path;

use windlass_contract::schema::schemas;

#[test]
fn the_published_schemas_are_those_of_the_types() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/schemas");
    let update = std::env::var_os("WINDLASS_UPDATE").is_some();
    let mut names = BTreeSet::new();
    for (name, schema) in schemas() {
        let file = folder.join(format!("{name}.json"));
        let text = format!("{}\n", serde_json::to_string_pretty(&schema).unwrap());
        if update {
            std::fs::create_dir_all(&folder).unwrap();
            std::fs::write(&file, &text).unwrap();
        }
        let kept = std::fs::read_to_string(&file).unwrap_or_default();
        assert_eq!(kept, text, "docs/schemas/{name}.json is not what the type says");
        jsonschema::validator_for(schema.as_value()).unwrap();
        names.insert(format!("{name}.json"));
    }
    let there =
        std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    assert_eq!(there.collect::<BTreeSet<_>>(), names, "a schema without a type is left over");
}
