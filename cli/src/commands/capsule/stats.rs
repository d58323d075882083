//! `windlass capsule stats`

use windlass_contract::ExitCode;
use windlass_contract::view::CapsuleStats;

use crate::failure::Failure;
use crate::progress::Progress;
use crate::reach::Need;
use crate::render::table::facts;
use crate::render::text::safe;
use crate::render::time::local;
use crate::session::Session;

/// Tells how much is in the record.
///
/// # Errors
/// Those of `Control::capsule_stats`.
pub(crate) async fn run(session: &Session) -> Result<ExitCode, Failure> {
    let output = &session.output;
    let control = session.control(Need::Look).await?;
    let stats = Progress::new(output, "counting").during(control.capsule_stats()).await?;
    if output.json() {
        session.document(stats)?;
    } else {
        output.text(&text(&stats))?;
    }
    Ok(ExitCode::Success)
}

fn text(stats: &CapsuleStats) -> String {
    let by_status: Vec<String> =
        stats.runs_by_status.iter().map(|count| format!("{} {}", count.runs, count.status.word())).collect();
    let runs = match by_status.is_empty() {
        true => "0".to_owned(),
        false => format!("{}: {}", stats.runs, by_status.join(", ")),
    };
    // A percentage with one digit behind the point, without floating point.
    let permille = (stats.store_bytes.saturating_mul(1000)).checked_div(stats.map_bytes).unwrap_or(0);
    facts(&[
        ("capsule", safe(&stats.capsule).into_owned()),
        ("events", stats.events.to_string()),
        ("links", stats.links.to_string()),
        ("workspaces", stats.workspaces.to_string()),
        ("items", stats.items.to_string()),
        ("runs", runs),
        ("oldest run", stats.oldest_run_at.map(local).unwrap_or_default()),
        ("newest run", stats.newest_run_at.map(local).unwrap_or_default()),
        ("imported", stats.imports.to_string()),
        ("artifacts", stats.artifacts.to_string()),
        (
            "blobs",
            format!(
                "{} in the store, {} files of {} bytes",
                stats.inline_blobs, stats.file_blobs, stats.file_blob_bytes
            ),
        ),
        (
            "store",
            format!(
                "{} bytes, {}.{} % of the {} it can grow to",
                stats.store_bytes,
                permille / 10,
                permille % 10,
                stats.map_bytes
            ),
        ),
        ("head", stats.capsule_head.to_string()),
    ])
}
